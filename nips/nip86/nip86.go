// Package nip86 is the language of the management API (NIP-86): calls and answers as
// bytes, and as values that cannot be wrong. Which caller may make a call, and what it
// does, others say.
package nip86

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"unicode/utf8"

	"moa/nips/event"
)

// ContentType is that of calls and of answers.
const ContentType = "application/nostr+json+rpc"

// MaxText bounds a text, in bytes, and MaxPage the entries of a list, which are so
// many if the call does not say.
const (
	MaxText = 4096
	MaxPage = 1000
)

// Call is a call of a known method with right parameters. What the method does not
// have is zero.
type Call struct {
	*Method
	PubKey  event.PubKey
	ID      event.ID
	Prefix  netip.Prefix
	Kind    uint16
	Role    Role
	Text    string // the name, the description, the URL, or the name of the setting
	Reason  string
	Options Options
}

// Role is the parameters of createrole and editrole; other methods have its ID only.
type Role struct {
	ID, Label, Description string
	Color, Order           *int // nil: none
}

// Options are what may stand in an object behind the parameters.
type Options struct {
	Erase bool
	Limit int // from 1 to MaxPage
	After string
}

// Request is a call as it is sent.
type Request struct {
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// ErrMethod says that there is no such method.
var ErrMethod = errors.New("there is no such method")

// Parse reads a call. The error is for the caller.
func Parse(body []byte) (*Call, error) {
	var r Request
	if !utf8.Valid(body) {
		return nil, errors.New("the request is not UTF-8")
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, errors.New(`the request is not {"method": "…", "params": […]}`)
	}
	m, ok := Find(r.Method)
	if !ok {
		return nil, fmt.Errorf("%w: %.64q", ErrMethod, r.Method)
	}
	c := &Call{Method: m, Options: Options{Limit: MaxPage}}
	params := r.Params
	if n := len(params); n > 0 && len(m.Options) > 0 && n > m.needed() && isObject(params[n-1]) {
		if err := c.readOptions(params[n-1]); err != nil {
			return nil, err
		}
		params = params[:n-1]
	}
	if len(params) < m.needed() || len(params) > len(m.Params) {
		return nil, fmt.Errorf("%s has %d parameters here, and wants: %s", m.Name, len(params), m.Usage())
	}
	for i, raw := range params {
		p := &m.Params[i]
		if p.Optional && string(raw) == "null" { // what a client in JavaScript leaves undefined
			continue
		}
		if err := c.read(p, raw); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", m.Name, p.Name, err)
		}
	}
	return c, nil
}

func isObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

// read reads one parameter.
func (c *Call) read(p *Param, raw json.RawMessage) (err error) {
	switch p.Type {
	case Kind:
		return number(raw, &c.Kind, "an integer from 0 to 65535")
	case Integer:
		to := &c.Role.Order
		if p.Name == "color" {
			to = &c.Role.Color
		}
		*to = new(int)
		return number(raw, *to, "an integer")
	}
	text, err := readText(raw)
	if err != nil {
		return err
	}
	switch p.Type {
	case PubKey:
		if c.PubKey, err = event.ParsePubKey(text); err != nil {
			err = errors.New("want a public key, 64 lower-case hex characters")
		}
	case EventID:
		if c.ID, err = event.ParseID(text); err != nil {
			err = errors.New("want the id of an event, 64 lower-case hex characters")
		}
	case Address:
		c.Prefix, err = ParseAddress(text)
	case URL:
		c.Text, err = text, checkURL(text)
	default:
		*c.text(p.Name) = text
	}
	return err
}

// text is where the text of a parameter belongs.
func (c *Call) text(name string) *string {
	switch name {
	case "reason":
		return &c.Reason
	case "role":
		return &c.Role.ID
	case "label":
		return &c.Role.Label
	case "description":
		if c.Name != ChangeRelayDescription {
			return &c.Role.Description
		}
	}
	return &c.Text
}

func number(raw json.RawMessage, to any, want string) error {
	if string(raw) == "null" || json.Unmarshal(raw, to) != nil {
		return errors.New("want " + want)
	}
	return nil
}

func readText(raw json.RawMessage) (text string, err error) {
	switch {
	case len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &text) != nil:
		return "", errors.New("want a string")
	case len(text) > MaxText:
		return "", fmt.Errorf("it has %d bytes, more than %d", len(text), MaxText)
	}
	return text, nil
}

// ParseAddress reads an IP address, or a network such as 203.0.113.0/24.
func ParseAddress(text string) (netip.Prefix, error) {
	want := errors.New("want an IP address, or a network as 203.0.113.0/24 or 2001:db8::/48")
	p, err := netip.ParsePrefix(text)
	if err != nil {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return p, want
		}
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, want
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

func checkURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return errors.New("want a URL that begins with https:// or http://, or an empty string for none")
	}
	return nil
}

// readOptions reads the object behind the parameters.
func (c *Call) readOptions(raw json.RawMessage) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return errors.New("the options are not an object")
	}
	for name, value := range all {
		if !slices.Contains(c.Method.Options, name) {
			return fmt.Errorf("%s has no option %.64q", c.Name, name)
		}
		var err error
		switch name {
		case OptionErase:
			err = number(value, &c.Options.Erase, "true or false")
		case OptionLimit:
			err = number(value, &c.Options.Limit, "an integer")
			if err == nil && (c.Options.Limit < 1 || c.Options.Limit > MaxPage) {
				err = fmt.Errorf("want an integer from 1 to %d", MaxPage)
			}
		case OptionAfter:
			c.Options.After, err = readText(value)
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", c.Name, name, err)
		}
	}
	return nil
}

// The entries of lists.
type (
	PubKeyReason struct {
		PubKey event.PubKey `json:"pubkey"`
		Reason string       `json:"reason,omitempty"`
	}
	EventReason struct {
		ID     event.ID `json:"id"`
		Reason string   `json:"reason,omitempty"`
	}
	AddressReason struct {
		IP     string `json:"ip"`
		Reason string `json:"reason,omitempty"`
	}
)

// Response is an answer as it is received.
type Response struct {
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}

// AppendResult appends the answer to a call that has succeeded.
func AppendResult(b []byte, result any) ([]byte, error) {
	text, err := json.Marshal(result)
	if err != nil {
		return b, err
	}
	b = append(b, `{"result":`...)
	b = append(b, text...)
	return append(b, '}'), nil
}

// AppendError appends the answer to a call that has failed.
func AppendError(b []byte, text string) []byte {
	quoted, _ := json.Marshal(text) // a string always can be
	b = append(b, `{"error":`...)
	b = append(b, quoted...)
	return append(b, '}')
}

// ParseResponse reads an answer.
func ParseResponse(body []byte) (r Response, err error) {
	if err := json.Unmarshal(bytes.TrimSpace(body), &r); err != nil {
		return r, errors.New(`the answer is not {"result": …} or {"error": "…"}`)
	}
	return r, nil
}

// Error is why a call was not made, for the caller.
type Error struct {
	Fault Fault
	Text  string
}

// Fault is what is wrong.
type Fault uint8

const (
	WrongCall  Fault = iota // the method or its parameters
	Forbidden               // others may call it
	UsedBefore              // the event that signs it is good for one call
)

func (e *Error) Error() string { return e.Text }
