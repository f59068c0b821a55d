package relay

import (
	"fmt"

	"moa/nips/wire"
)

func (s *session) message(frame []byte) wire.Verb {
	st := s.settings.Load()
	if most := st.cfg.Limits.MessageBytes; len(frame) > most {
		s.met.messages[wire.Unknown].Inc()
		s.malformed(wire.Refuse(frame, fmt.Sprintf("the message has %d bytes; at most %d are taken", len(frame), most)))
		return wire.Unknown
	}
	if verb, ok := s.unheard(frame); ok {
		s.met.messages[verb].Inc()
		return verb
	}
	m, err := s.parse(frame)
	s.met.messages[m.Verb].Inc()
	if err != nil {
		s.malformed(err)
		return m.Verb
	}
	if m.Verb == wire.Event {
		s.event(st, m.Event)
		return m.Verb
	}
	if m.Verb != wire.Auth {
		s.garbage.clear()
	}
	s.account.charge(1)
	// Whatever else it is, it comes after the EVENTs before it: a REQ finds them.
	s.resolveAll()
	switch m.Verb {
	case wire.Req:
		s.req(st, m.SubID, m.Filters)
	case wire.Count:
		s.count(st, m.SubID, m.Filters)
	case wire.Close:
		s.closeSub(m.SubID)
	case wire.Auth:
		s.auth(st, m.Event)
	case wire.NegOpen:
		s.negOpen(st, m.SubID, m.Filters, m.Neg)
	case wire.NegMsg:
		s.negMsg(st, m.SubID, m.Neg)
	case wire.NegClose:
		s.closeSync(m.SubID)
	}
	return m.Verb
}

// unheard reports a question of a client that has gone. It is not even parsed:
// thousands of them may lie in the socket. What else lies there counts: EVENTs, and
// the AUTH that they may need.
func (s *session) unheard(frame []byte) (wire.Verb, bool) {
	if !s.heavy(len(frame)) { // a few cost less than to ask
		return wire.Unknown, false
	}
	verb := wire.VerbOf(frame)
	return verb, verb.Asks() && s.gone()
}

func (s *session) malformed(err error) {
	s.account.charge(1)
	e, ok := err.(*wire.Error)
	if !ok {
		s.garbage.add()
		return
	}
	if e.SubID == "" && e.EventID == "" {
		s.garbage.add()
	}
	if e.Verb == wire.Event {
		s.add(ticket{from: &s.client, id: e.EventID, fate: fateInvalid, reason: e.Reason, text: e.Text}, nil)
		return
	}
	s.resolveAll()
	switch e.Verb { // for a client, CLOSED or NEG-ERR ends what it has open by that id
	case wire.Req, wire.Count:
		s.closeSub(e.SubID)
	case wire.NegOpen, wire.NegMsg:
		s.closeSync(e.SubID)
	}
	s.Send(e.AppendAnswer(nil))
}
