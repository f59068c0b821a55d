package relay

import (
	"slices"

	"moa/nips/event"
	"moa/nips/nip42"
	"moa/nips/reason"
	"moa/nips/relayurl"
	"moa/nips/sig"
	"moa/nips/wire"
	"moa/relay/ws"
)

// maxIdentities is how many public keys one connection may prove to be.
const maxIdentities = 64

// RequestAuth sends the NIP-42 challenge if that has not been done yet. It never
// waits.
// Clients hold things back while a challenge is open, so it is not sent before
// something needs it.
func (s *session) RequestAuth() {
	challenge := s.Challenge()
	s.mu.Lock()
	sent := s.challenged
	s.challenged = true
	s.mu.Unlock()
	if !sent {
		s.Send(wire.AppendAuth(nil, challenge))
	}
}

// auth answers an AUTH (NIP-42).
func (s *session) auth(st *settings, raw []byte) {
	e, err := parseEvent(raw)
	if err != nil {
		s.garbage.add()
		s.answer(event.PeekID(raw), false, reason.Invalid, err.Error())
		return
	}
	s.garbage.clear()
	id := e.ID.String()
	s.mu.Lock()
	challenge := s.challenge
	s.mu.Unlock()
	here := func(l relayurl.Location) bool { return s.here(st, l) }
	if err := nip42.Validate(e, challenge, here, s.srv.deps.Now()); err != nil {
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
	st.chain.Authenticated(s)
	s.review()
	s.answer(id, true, "", "")
}

func (s *session) signed(e *event.Event) bool {
	c := checks.Get().(*check)
	defer checks.Put(c)
	c.records = append(c.records[:0], sig.Record{PubKey: e.PubKey, Msg: e.ID, Sig: e.Sig})
	s.srv.verifier.verify(c)
	return c.valid[0]
}

// identify adds an identity; all that were proved stay.
func (s *session) identify(pk event.PubKey) bool {
	known := s.Authed()
	if slices.Contains(known, pk) {
		return true
	}
	if len(known) >= maxIdentities {
		return false
	}
	all := append(slices.Clone(known), pk)
	s.authed.Store(&all)
	return true
}

// answer sends an OK.
func (s *session) answer(id string, ok bool, r reason.Reason, text string) {
	s.out.Offer(ws.Msg{Head: wire.AppendOK(nil, id, ok, r, text)})
}
