package relay

import (
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay/hub"
	"moa/relay/ws"
)

// req answers a REQ. Whatever was open by that id ends first.
func (s *session) req(st *settings, id string, filters []*event.Filter) {
	start := time.Now()
	s.closeSub(id)
	generation := st.generation() // before the policies are asked
	filters, v := s.admit(st, id, filters, false)
	if v.Action == policy.Reject {
		s.closed(id, v.Reason, v.Text)
		return
	}
	invite, v := s.invite(st, filters)
	if v.Action == policy.Reject {
		s.closed(id, v.Reason, v.Text)
		return
	}
	if s.subs == nil {
		s.subs = newSubscriptions(&s.client)
	}
	if s.subs.len() >= st.cfg.Limits.Subscriptions {
		s.closed(id, reason.RateLimited, "too many subscriptions are open on this connection")
		return
	}
	found := s.storeQuery(st, filters)
	bytes := filterBytes(filters) + tiedBytes(&found)
	if v := s.holdFilters(st, bytes); v.Action == policy.Reject {
		s.closed(id, v.Reason, v.Text)
		return
	}
	withheld := s.withholds(st, filters)
	q := &query{owner: s.subs, bytes: bytes}
	q.sub.Init(id, &s.client)
	q.sub.Head = wire.AppendEventHead(make([]byte, 0, len(`["EVENT","",`)+len(id)), id)
	q.sub.Owner = q
	q.right.grant(filters, generation)
	q.right.asks = found.Visible != nil
	s.subs.add(q)
	// Steps 1 and 2 of hub.Sub, in this order: what is committed between them is both
	// stored and live, and never neither.
	kept := s.join(st, &q.sub, filters, bytes)
	found.UpTo = s.store.Last()
	q.stored = &storedPart{query: found, kept: kept, invite: invite, hints: st.cfg.EOSEHints, partly: withheld, start: start}
	s.subs.start(q)
}

// closeSub ends a subscription without a word (NIP-01).
func (s *session) closeSub(id string) {
	if s.subs == nil {
		return
	}
	if q := s.subs.find(id); q != nil {
		s.leave(q)
	}
}

// join enters sub, whose filters take so many bytes, in the index: live events that
// match wait in it from now on. Only after that may the caller ask store.Last(): so
// nothing is missed between the stored events and the live ones. It returns what is
// kept of ephemeral events until now.
func (c *client) join(st *settings, sub *hub.Sub[*ws.Body], filters []*event.Filter, bytes int) (kept []*event.Event) {
	if bytes >= heavyFilters {
		c.account.slots.take()
		defer c.account.giveSlot()
	}
	if st.replay != nil {
		return st.replay.Join(filters, func() { c.index.Add(sub, filters) })
	}
	c.index.Add(sub, filters)
	return nil
}
