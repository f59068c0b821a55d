package relay

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"moa/nips/event"
	"moa/nips/nip43"
	"moa/nips/nip70"
	"moa/nips/reason"
	"moa/policy"
)

// rules are what the protocol itself asks of an EVENT, whatever the policies
// say. None of them needs the signature.
func (c *client) rules(st *settings, e *event.Event) policy.Verdict {
	if why := st.cfg.Limits.Refuse(e); why != "" {
		return policy.Refuse(reason.Invalid, why)
	}
	switch {
	case e.Kind == event.KindAuth:
		return policy.Refuse(reason.Invalid, "an authentication is sent with AUTH and never published")
	case e.Expiration != 0 && !event.Ephemeral(e.Kind) && e.Expiration <= c.now().Unix():
		return policy.Refuse(reason.Invalid, "event expired")
	case e.Kind == event.KindVanish:
		return c.vanish(st, e)
	case c.asksDesk(st, e):
		return c.request(e)
	case e.Kind == nip43.KindInvite && c.hasMembers(st):
		return policy.Refuse(reason.Restricted, "invites are the relay's own: ask for one with a REQ of kind 28935")
	case e.Protected():
		return c.protected(e)
	case nip70.Leaks(e):
		return policy.Refuse(reason.Blocked, "the reposted event is protected")
	}
	return policy.Verdict{}
}

// Refuse says what of an event is beyond the limits, "" if nothing is. A limit
// of 0 is none.
func (l *Limits) Refuse(e *event.Event) string {
	const around = len(`["EVENT",]`)
	switch {
	case l.EventTags > 0 && len(e.Tags) > l.EventTags:
		return fmt.Sprintf("more than %d tags", l.EventTags)
	case l.ContentLength > 0 && len(e.Content) > l.ContentLength && utf8.RuneCountInString(e.Content) > l.ContentLength:
		return fmt.Sprintf("content is longer than %d characters", l.ContentLength)
	case l.MessageBytes > 0 && around+len(e.Raw) > l.MessageBytes:
		return fmt.Sprintf("larger than a message of %d bytes", l.MessageBytes)
	case e.Kind == event.KindVanish && len(e.Raw) > maxVanishBytes:
		return fmt.Sprintf("a request to vanish has at most %d bytes here", maxVanishBytes)
	}
	return ""
}

// protected lets none but its author publish an event with a `-` tag (NIP-70).
func (c *client) protected(e *event.Event) policy.Verdict {
	authed := c.Authed()
	switch {
	case slices.Contains(authed, e.PubKey):
		return policy.Verdict{}
	case len(authed) == 0:
		return policy.Refuse(reason.AuthRequired, "this event is protected: authenticate as its author to publish it")
	}
	return policy.Refuse(reason.Restricted, "this event is protected: only its author may publish it")
}

// hasMembers reports whether requests of people are answered.
func (s *shared) hasMembers(st *settings) bool { return st.cfg.Members.Enabled && s.members != nil }

// asksDesk reports an EVENT that is a request to the relay itself.
func (s *shared) asksDesk(st *settings, e *event.Event) bool {
	return nip43.IsRequest(e.Kind) && s.hasMembers(st)
}

// request says what is wrong with a request, before its signature is checked.
func (c *client) request(e *event.Event) policy.Verdict {
	if fault := nip43.Fault(e, c.now()); fault != "" {
		return policy.Refuse(reason.Invalid, fault)
	}
	if e.Protected() {
		return c.protected(e)
	}
	return policy.Verdict{}
}
