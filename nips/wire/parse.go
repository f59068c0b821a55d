package wire

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"moa/nips/event"
	"moa/nips/internal/scan"
	"moa/nips/reason"
)

// Parse reads one frame from a client. Its error is always an *Error. The work
// is linear in the frame's length, and only Event keeps the frame.
//
// An EVENT or AUTH is cut out by its brackets alone: what stands between them
// may still be anything that starts with a brace, and event.Parse looks at it.
// That includes elements behind the event, which First cuts off: nobody has
// signed them, and they change nothing in what was. Behind the other messages,
// where one filter more or less matters, nothing may stand.
func Parse(frame []byte) (Message, error) {
	p := parser{Scanner: scan.Scanner{Text: frame}}
	if err := p.message(); err != nil {
		return Message{}, p.explain(err)
	}
	return p.msg, nil
}

// VerbOf reads no more of a frame than its verb; Unknown: there is none.
func VerbOf(frame []byte) Verb {
	p := parser{Scanner: scan.Scanner{Text: frame}}
	v, _ := p.verb()
	return v
}

type parser struct {
	scan.Scanner
	msg Message
}

// explain makes the answer out of what has been read so far.
func (p *parser) explain(err error) *Error {
	e := &Error{Verb: p.msg.Verb, SubID: p.msg.SubID, Reason: reason.Invalid, Text: err.Error()}
	if errors.Is(err, event.ErrUnsupported) {
		e.Reason = reason.Unsupported
	}
	if e.Verb == Event || e.Verb == Auth {
		e.EventID = event.PeekID(p.Text[p.Pos:])
		if err == errCut && e.EventID == "" {
			e.Verb = Unknown // an OK without an id is no answer to what is no message
		}
	}
	return e
}

func (p *parser) message() error {
	verb, err := p.verb()
	if err != nil {
		return err
	}
	p.msg.Verb = verb
	switch verb {
	case Event, Auth:
		p.msg.Event, err = p.object()
		return err
	case Req, Count:
		return p.all(p.subID, p.filters, p.end)
	case Close, NegClose:
		return p.all(p.subID, p.end)
	case NegOpen:
		return p.all(p.subID, p.oneFilter, p.neg, p.end)
	case NegMsg:
		return p.all(p.subID, p.neg, p.end)
	}
	p.msg.Verb = Unknown
	return fmt.Errorf("%s is not for a relay to receive", verb)
}

// all takes the steps in turn until one fails.
func (p *parser) all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) subID() error {
	id, err := p.comma("subscription id")
	if err != nil {
		return err
	}
	n := utf8.RuneCountInString(id)
	if n <= maxEcho {
		p.msg.SubID = id
	}
	if n == 0 || n > MaxSubID {
		return fmt.Errorf("a subscription id has 1 to %d characters", MaxSubID)
	}
	return nil
}

func (p *parser) filters() error {
	for p.Take(',') {
		if len(p.msg.Filters) == MaxFilters {
			return fmt.Errorf("more than %d filters", MaxFilters)
		}
		if err := p.filter(); err != nil {
			return fmt.Errorf("filter %d: %w", len(p.msg.Filters)+1, err)
		}
	}
	if len(p.msg.Filters) == 0 {
		return errors.New("no filter")
	}
	return nil
}

// oneFilter reads NEG-OPEN's filter. NDK sends a list of them: one is taken.
func (p *parser) oneFilter() error {
	if !p.Take(',') {
		return errors.New("no filter")
	}
	list := p.Take('[')
	if err := p.filter(); err != nil {
		return err
	}
	if list && !p.Take(']') {
		return errors.New("only one filter can be reconciled at a time")
	}
	return nil
}

func (p *parser) filter() error {
	if p.Peek() != '{' {
		return errors.New("a filter is a JSON object")
	}
	raw, err := p.Skip()
	if err != nil {
		return err
	}
	f, err := event.ParseFilter(raw)
	if err != nil {
		return err
	}
	p.msg.Filters = append(p.msg.Filters, f)
	return nil
}

func (p *parser) neg() (err error) {
	p.msg.Neg, err = p.comma("message in hex")
	return err
}

func (p *parser) end() error {
	if !p.Take(']') {
		return errors.New("more elements than the message has, or the closing bracket is missing")
	}
	if !p.End() {
		return errors.New("something follows the message")
	}
	return nil
}

// The following read what messages of both directions have.

// verb reads `["VERB"`.
func (p *parser) verb() (Verb, error) {
	if !p.Take('[') {
		return Unknown, errors.New("a message is a JSON array")
	}
	s, err := p.String()
	if err != nil {
		return Unknown, errors.New("a message starts with its verb, a string")
	}
	name := s.Raw
	if s.Escaped {
		name = scan.AppendUnquoted(nil, s)
	}
	verb := verbOf(name)
	if verb == Unknown {
		return Unknown, errors.New("unknown verb")
	}
	return verb, nil
}

// comma reads a comma and the string after it, which the error calls what.
func (p *parser) comma(what string) (string, error) {
	if !p.Take(',') || p.Peek() != '"' {
		return "", fmt.Errorf("no %s", what)
	}
	s, err := p.String()
	if err != nil {
		return "", err
	}
	if !utf8.Valid(s.Raw) {
		return "", errors.New("not valid UTF-8")
	}
	if s.Escaped {
		return string(scan.AppendUnquoted(nil, s)), nil
	}
	return string(s.Raw), nil
}

// errCut says that a message has no end.
var errCut = errors.New("the closing bracket is missing")

// Refuse makes the answer to a frame that is not to be read: what it is about is
// looked for all the same.
func Refuse(frame []byte, text string) *Error {
	p := parser{Scanner: scan.Scanner{Text: frame}}
	var err error
	if p.msg.Verb, err = p.verb(); err == nil {
		switch p.msg.Verb {
		case Event, Auth:
			p.Take(',')
		case Req, Count, NegOpen, NegMsg:
			_ = p.subID() // the answer does without it
		}
	}
	e := p.explain(errors.New(text))
	if (e.Verb == Event || e.Verb == Auth) && e.EventID == "" {
		e.Verb = Unknown
	}
	return e
}

// First returns the JSON object that raw begins with, if all that follows it
// are more elements of a message.
func First(raw []byte) (object []byte, ok bool) {
	s := scan.Scanner{Text: raw}
	object, err := s.Skip()
	for err == nil && s.Take(',') {
		_, err = s.Skip()
	}
	return object, err == nil && s.End()
}

// object takes what stands between the comma and the frame's last bracket.
func (p *parser) object() ([]byte, error) {
	if !p.Take(',') || p.Peek() != '{' {
		if p.End() {
			return nil, errCut
		}
		return nil, errors.New("no event")
	}
	const space = " \t\n\r"
	rest := bytes.TrimRight(p.Text[p.Pos:], space)
	if rest[len(rest)-1] != ']' {
		return nil, errCut
	}
	return bytes.TrimRight(rest[:len(rest)-1], space), nil
}
