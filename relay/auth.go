package relay

import (
	"moa/nips/event"
	"moa/nips/nip42"
	"moa/nips/reason"
	"moa/nips/relayurl"
	"moa/nips/sig"
	"moa/nips/wire"
	"moa/relay/ws"
)

// auth answers an AUTH (NIP-42).
func (s *session) auth(st *settings, raw []byte) {
	s.account.charge(authWork)
	e, err := s.parseEvent(raw)
	if err != nil {
		id := event.PeekID(raw)
		if id == "" {
			s.garbage.add()
		}
		s.answer(id, false, reason.Invalid, err.Error())
		return
	}
	s.garbage.clear()
	id := e.ID.String()
	s.mu.Lock()
	challenge := s.challenge
	s.mu.Unlock()
	here := func(l relayurl.Location) bool { return s.here(st, l) }
	if err := nip42.Validate(e, challenge, here, s.now()); err != nil {
		s.answer(id, false, reason.Invalid, err.Error())
		return
	}
	if !s.signed(e) {
		s.answer(id, false, reason.Invalid, "the signature does not hold")
		return
	}
	if !s.identify(e.PubKey) {
		s.answer(id, false, reason.RateLimited, "too many identities on one connection")
		return
	}
	st.chain.Authenticated(&s.client)
	s.review()
	s.answer(id, true, "", "")
}

func (s *session) signed(e *event.Event) bool {
	c := checks.Get().(*check)
	defer checks.Put(c)
	c.records = append(c.records[:0], sig.Record{PubKey: e.PubKey, Msg: e.ID, Sig: e.Sig})
	s.verifier.verify(c)
	return c.valid[0]
}

// answer sends an OK.
func (c *client) answer(id string, ok bool, r reason.Reason, text string) {
	c.out.Offer(ws.Msg{Head: wire.AppendOK(nil, id, ok, r, text)})
}
