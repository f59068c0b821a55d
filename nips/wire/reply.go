package wire

import (
	"bytes"
	"errors"
	"fmt"

	"moa/nips/internal/scan"
	"moa/nips/reason"
)

// Reply is what a relay says.
type Reply struct {
	Verb  Verb
	SubID string // of EVENT, EOSE, CLOSED, COUNT and NEG-*
	Event []byte // of EVENT: the JSON object, part of the frame, not yet looked into
	ID    string // of OK: the event's id
	OK    bool   // of OK
	// Text is the reason and text of OK, CLOSED, NOTICE and NEG-ERR, the
	// challenge of AUTH, the hex of NEG-MSG.
	Text  string
	Hints []string // of EOSE (NIP-67)

	// Of COUNT (NIP-45).
	Count       int64
	Approximate bool
	HLL         string // registers in hex, "" if there are none
}

// Reason returns the prefix of Text, "" if it has none.
func (r *Reply) Reason() reason.Reason {
	prefix, _ := reason.Split(r.Text)
	return prefix
}

// ParseReply reads one frame from a relay. Relays differ: elements beyond those
// known, and an OK or CLOSED without its text, are taken as they come. Only
// Event keeps the frame.
func ParseReply(frame []byte) (Reply, error) {
	p := replyParser{parser: parser{Scanner: scan.Scanner{Text: frame}}}
	if err := p.reply(); err != nil {
		return Reply{}, fmt.Errorf("relay message %s: %w", p.r.Verb, err)
	}
	return p.r, nil
}

type replyParser struct {
	parser
	r Reply
}

func (p *replyParser) reply() (err error) {
	if p.r.Verb, err = p.verb(); err != nil {
		return err
	}
	switch p.r.Verb {
	case Event:
		if err := p.subID(); err != nil {
			return err
		}
		p.r.Event, err = p.object()
		return err // the object reaches to the end of the frame
	case OK:
		err = p.all(p.id, p.accepted, p.textIfAny)
	case EOSE:
		err = p.all(p.subID, p.hints)
	case Closed:
		err = p.all(p.subID, p.textIfAny)
	case Count:
		err = p.all(p.subID, p.count)
	case NegMsg, NegErr:
		err = p.all(p.subID, p.text)
	case Notice, Auth:
		err = p.text()
	default:
		err = errors.New("not for a client to receive")
	}
	if err != nil {
		return err
	}
	return p.rest()
}

func (p *replyParser) subID() (err error) {
	p.r.SubID, err = p.comma("subscription id")
	return err
}

func (p *replyParser) id() (err error) {
	p.r.ID, err = p.comma("event id")
	return err
}

func (p *replyParser) text() (err error) {
	p.r.Text, err = p.comma("text")
	return err
}

func (p *replyParser) textIfAny() error {
	if p.Peek() == ']' {
		return nil
	}
	return p.text()
}

func (p *replyParser) accepted() error {
	if !p.Take(',') {
		return scan.ErrSyntax
	}
	word, err := p.Skip()
	if err != nil {
		return err
	}
	p.r.OK = string(word) == "true"
	if !p.r.OK && string(word) != "false" {
		return errors.New("neither true nor false")
	}
	return nil
}

// hints reads `,["finish"]` if it is there.
func (p *replyParser) hints() error {
	if p.Peek() == ']' {
		return nil
	}
	if !p.Take(',') || !p.Take('[') {
		return scan.ErrSyntax
	}
	for !p.Take(']') {
		if len(p.r.Hints) > 0 && !p.Take(',') {
			return scan.ErrSyntax
		}
		s, err := p.String()
		if err != nil {
			return err
		}
		p.r.Hints = append(p.r.Hints, string(scan.AppendUnquoted(nil, s)))
	}
	return nil
}

// count reads `,{"count":n,…}`.
func (p *replyParser) count() error {
	if !p.Take(',') || !p.Take('{') {
		return scan.ErrSyntax
	}
	found := false
	for first := true; !p.Take('}'); first = false {
		if !first && !p.Take(',') {
			return scan.ErrSyntax
		}
		key, err := p.String()
		if err != nil {
			return err
		}
		if !p.Take(':') {
			return scan.ErrSyntax
		}
		switch string(key.Raw) {
		case "count":
			found = true
			p.r.Count, err = p.Digits()
		case "hll":
			var s scan.Str
			s, err = p.String()
			p.r.HLL = string(scan.AppendUnquoted(nil, s))
		case "approximate":
			var word []byte
			word, err = p.Skip()
			p.r.Approximate = bytes.Equal(word, []byte("true"))
		default:
			_, err = p.Skip()
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return errors.New("no count")
	}
	return nil
}

// rest skips elements that nobody asked for, up to the end of the frame.
func (p *replyParser) rest() error {
	for p.Take(',') {
		if _, err := p.Skip(); err != nil {
			return err
		}
	}
	return p.end()
}
