package relay

import (
	"fmt"
	"slices"
	"time"

	"moa/nips/event"
	"moa/nips/nip43"
	"moa/nips/reason"
	"moa/policy"
)

// The relay takes requests to join and to leave, and gives out invites (NIP-43):
//
//  1. A request is an EVENT that is answered by its OK alone. No policy is asked about
//     it: they are about what is stored and sent, and it is neither. It names a code
//     that nobody else may see.
//  2. Its session decides it, since that needs the disk, before it reads on: what the
//     client sends next is asked about as a member's.
//  3. An invite is made for the REQ that asks for one, and goes to nobody else.

// decideRequest decides a request whose signature holds.
func (s *session) decideRequest(st *settings, t *ticket) {
	if wait := s.mayAsk(st); wait > 0 {
		s.met.joined(t.e.Kind, reason.RateLimited)
		t.refuse(fateRefused, reason.RateLimited, fmt.Sprintf("too many requests to join or to leave, try again in %s", max(wait, time.Second).Round(time.Second)))
		return
	}
	ask := func() (bool, reason.Reason, string) { return s.members.Leave(s.life, t.e.PubKey) }
	if t.e.Kind == nip43.KindJoin {
		ask = func() (bool, reason.Reason, string) { return s.members.Join(s.life, t.e.PubKey, nip43.Claim(t.e)) }
	}
	ok, why, text := ask()
	s.met.joined(t.e.Kind, why)
	if ok {
		t.refuse(fateAnswered, why, text)
	} else {
		t.refuse(fateRefused, why, text)
	}
}

// mayAsk takes a request into account, or says how long its client must wait.
func (c *client) mayAsk(st *settings) time.Duration {
	if c.local {
		return 0
	}
	return c.requests.take(c.ip, st.cfg.Members.JoinsPerIP, c.now())
}

// invite makes the invite that a REQ asks for; nil if it asks for none. A Verdict that
// rejects says why it gets none.
func (s *session) invite(st *settings, filters []*event.Filter) (*event.Event, policy.Verdict) {
	asks := func(f *event.Filter) bool {
		return slices.Equal(f.Kinds, []uint16{nip43.KindInvite}) && !f.Never() && (!f.HasLimit || f.Limit > 0)
	}
	if !s.hasMembers(st) || !slices.ContainsFunc(filters, asks) {
		return nil, policy.Verdict{}
	}
	keys := s.Authed()
	if len(keys) == 0 {
		s.RequestAuth()
		return nil, policy.Refuse(reason.AuthRequired, "authenticate to ask for an invite")
	}
	// Whether the filter finds it does not depend on the code.
	sample := nip43.Invite("")
	sample.CreatedAt, sample.PubKey = s.now().Unix(), s.identity.PubKey()
	if !slices.ContainsFunc(filters, func(f *event.Filter) bool { return asks(f) && f.IDs == nil && f.Matches(&sample) }) {
		return nil, policy.Verdict{}
	}
	code, why, text := s.members.Invite(s.life, keys)
	if code == "" {
		return nil, policy.Refuse(why, text)
	}
	e := nip43.Invite(code)
	e.CreatedAt = sample.CreatedAt
	signed, err := s.identity.Sign(e)
	if err != nil {
		s.log.Error("an invite cannot be signed", "err", err)
		return nil, policy.Refuse(reason.Error, "the relay cannot make an invite at the moment, try again later")
	}
	return signed, policy.Verdict{}
}
