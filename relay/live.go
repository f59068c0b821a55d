package relay

import (
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/relay/hub"
	"moa/relay/outbox"
	"moa/relay/shares"
	"moa/relay/ws"
)

// A session is the hub.Sink of its subscriptions.

// Offer queues the live event that is being passed on.
func (s *session) Offer(sub *hub.Sub[*ws.Body], _ *event.Event, body *ws.Body) bool {
	p := &s.srv.passage
	if sub.Since != p.generation && !p.allowed(sub) {
		return false
	}
	if p.asks && !p.shows(s) {
		return true
	}
	s.srv.met.delivered.Inc()
	return p.batch.Offer(&s.out, ws.Msg{Head: sub.Head, Body: body})
}

// Keep takes a live event into account that waits until the stored ones are out.
func (s *session) Keep(_ *hub.Sub[*ws.Body], e *event.Event, body *ws.Body) bool {
	whose := s.out.Keep(e.Bytes(), body)
	if whose != shares.Within {
		s.srv.ledger.Refuse(shares.Outbox, whose)
	}
	return whose == shares.Within
}

// Unkeep takes back what Keep has taken into account.
func (s *session) Unkeep(_ *hub.Sub[*ws.Body], e *event.Event, body *ws.Body) {
	s.out.Unkeep(e.Bytes(), body)
}

// Handover queues a live event that came while the stored ones were sent. Too
// many of them end the subscription rather than the connection.
func (s *session) Handover(sub *hub.Sub[*ws.Body], e *event.Event, body *ws.Body) bool {
	if q := sub.Owner.(*query); q.right.lost(s).Action == policy.Reject {
		return false
	}
	if !s.mayHear(e) {
		return true
	}
	s.srv.met.delivered.Inc()
	return s.out.Handover(ws.Msg{Head: sub.Head, Body: body})
}

// mayHear asks the chain that is in force now, about who the client is now.
func (s *session) mayHear(e *event.Event) bool {
	chain := s.srv.settings.Load().chain
	return chain.Deliver(s, e) && (!chain.WatchesLive() || chain.Live(s, e))
}

// passage is the event that is being passed on to the live subscriptions, one at
// a time. What is found out about it for one of them is there for the others, and
// a client is asked about once, however many of its subscriptions want it.
type passage struct {
	batch      outbox.Batch // that the deliveries are queued in
	generation uint64
	chain      *policy.Chain // in force
	view       policy.View
	asks       bool        // the chain has a say in it
	nth        uint64      // counts the events that it has a say in
	lost       []lostRight // to end once it has been passed on
}

// begin lets the passage be that of e.
func (p *passage) begin(b outbox.Batch, st *settings, e *event.Event) {
	chain := st.chain
	p.batch = b
	p.generation, p.chain = st.generation(), chain
	if p.asks = chain.Restricts(e.Kind) || chain.Hides() || chain.WatchesLive(); p.asks {
		p.view.Of(e)
		p.nth++
	}
}

// end keeps nothing of the event.
func (p *passage) end() {
	p.chain = nil
	p.view.Of(nil)
	for i := range p.lost {
		p.lost[i].end()
	}
	p.lost = nil
}

// allowed asks again whether a subscription may be. The subscription's lock is
// held, so that it ends only later.
func (p *passage) allowed(sub *hub.Sub[*ws.Body]) bool {
	q := sub.Owner.(*query)
	if why := q.right.lost(q.subs.s); why.Action == policy.Reject {
		p.lost = append(p.lost, lostRight{q, why})
		return false
	}
	sub.Since = q.right.since.Load()
	return true
}

// shows reports whether the client hears the event.
func (p *passage) shows(s *session) bool {
	if s.passage != p.nth {
		e := p.view.Event
		s.hears = !p.chain.Hidden(e.ID, e.PubKey) && p.chain.Shows(s, &p.view) && (!p.chain.WatchesLive() || p.chain.Live(s, e))
		s.passage = p.nth
	}
	return s.hears
}

// publish passes an accepted event on to the live subscriptions.
func (s *Server) publish(b outbox.Batch, p publication) {
	start := time.Now()
	defer func() { s.met.passing.Observe(time.Since(start).Seconds()) }()
	st := s.settings.Load()
	s.passage.begin(b, st, p.e)
	defer s.passage.end()
	if p.serial != 0 || event.Ephemeral(p.e.Kind) {
		p.chain.Saved(p.from, p.e)
	}
	body := &ws.Body{Raw: p.e.Raw}
	if st.replay != nil {
		switch {
		case p.replay:
			st.replay.Publish(p.e, func() { s.index.Publish(0, p.e, body) })
			return
		case p.serial != 0:
			st.replay.Forget(p.e)
		}
	}
	s.index.Publish(p.serial, p.e, body)
}
