// Package manager is the caller's side of the management API (NIP-86): it makes calls of
// what was typed, signs and sends them, and shows the answers.
package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"moa/nips/nip19"
	"moa/nips/nip86"
)

// Options are what a call may say behind its parameters.
type Options struct {
	Erase bool
	Limit int // 0: as the relay has it
	After string
}

// Call is a call that is ready to be sent.
type Call struct {
	nip86.Request
	known *nip86.Call // nil: the method is not known here, but may be elsewhere
}

// Page is how many entries a list has at most.
func (c *Call) Page() int {
	if c.known == nil {
		return 0
	}
	return c.known.Options.Limit
}

// NewCall makes a call of words.
func NewCall(name string, words []string, o Options) (*Call, error) {
	if name == "reset" {
		name = nip86.ResetSetting
	}
	c := &Call{Request: nip86.Request{Method: name, Params: []json.RawMessage{}}}
	m, known := nip86.Find(name)
	for i, word := range words {
		var param json.RawMessage
		var err error
		switch {
		case !known:
			param = loosely(word)
		case i < len(m.Params):
			param, err = typed(m.Params[i].Type, word)
		default:
			param = quoted(word)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Params[i].Name, err)
		}
		c.Params = append(c.Params, param)
	}
	if options := o.params(); options != nil {
		c.Params = append(c.Params, options)
	}
	if !known {
		return c, nil
	}
	body, err := json.Marshal(c.Request)
	if err != nil {
		return nil, err
	}
	c.known, err = nip86.Parse(body)
	return c, err
}

// params is the object of the options, nil if there are none.
func (o Options) params() json.RawMessage {
	all := map[string]any{}
	if o.Erase {
		all[nip86.OptionErase] = true
	}
	if o.Limit != 0 {
		all[nip86.OptionLimit] = o.Limit
	}
	if o.After != "" {
		all[nip86.OptionAfter] = hexOf(o.After)
	}
	if len(all) == 0 {
		return nil
	}
	text, _ := json.Marshal(all) // nothing in it fails
	return text
}

// hexOf is an npub or a note as hex, and any other word as it is.
func hexOf(word string) string {
	if pk, err := nip19.ParsePubKey(word); err == nil {
		return pk.String()
	}
	if id, err := nip19.ParseEventID(word); err == nil {
		return id.String()
	}
	return word
}

func typed(t nip86.Type, word string) (json.RawMessage, error) {
	switch t {
	case nip86.PubKey:
		pk, err := nip19.ParsePubKey(word)
		return quoted(pk.String()), err
	case nip86.EventID:
		id, err := nip19.ParseEventID(word)
		return quoted(id.String()), err
	case nip86.Kind, nip86.Integer:
		if !json.Valid([]byte(word)) {
			return nil, errors.New("want an integer")
		}
		return json.RawMessage(word), nil
	}
	return quoted(word), nil
}

// loosely takes a word for JSON if it is any, and for a string otherwise.
func loosely(word string) json.RawMessage {
	if json.Valid([]byte(word)) && strings.TrimSpace(word) != "" {
		return json.RawMessage(word)
	}
	return quoted(hexOf(word))
}

func quoted(word string) json.RawMessage {
	text, _ := json.Marshal(word) // a string always can be
	return text
}
