package relay

import (
	"context"
	"time"

	"moa/nips/event"
	"moa/relay/hub"
	"moa/relay/ws"
)

// A session is the hub.Sink of its subscriptions. Neither method waits: stored
// events are what a slow client is given time for.

// Offer queues a live event. Who passes it on serves the writers' line.
func (s *session) Offer(sub *hub.Sub, body *ws.Body, e *event.Event) bool {
	if !s.mayHear(e) {
		return true
	}
	s.srv.met.delivered.Inc()
	return s.out.offerQuietly(ws.Msg{Head: sub.Head, Body: body})
}

// Push queues a live event that came while the stored ones were sent. Too many
// of them are an error, and end the subscription rather than the connection.
func (s *session) Push(_ context.Context, sub *hub.Sub, body *ws.Body, e *event.Event) error {
	if !s.mayHear(e) {
		return nil
	}
	s.srv.met.delivered.Inc()
	return s.out.push(ws.Msg{Head: sub.Head, Body: body})
}

// mayHear asks the chain that is in force now, about who the client is now.
func (s *session) mayHear(e *event.Event) bool {
	chain := s.srv.settings.Load().chain
	return chain.Deliver(s, e) && (!chain.WatchesLive() || chain.Live(s, e))
}

// publish passes an accepted event on to the live subscriptions.
func (s *Server) publish(p publication) {
	start := time.Now()
	defer func() { s.met.passing.Observe(time.Since(start).Seconds()) }()
	if p.serial != 0 || event.Ephemeral(p.e.Kind) {
		p.chain.Saved(p.s, p.e)
	}
	body := &ws.Body{Raw: p.e.Raw}
	if p.recall {
		s.recall.publish(&s.index, p.e, body)
		return
	}
	if p.serial != 0 {
		s.recall.ring.Forget(p.e)
	}
	s.index.Publish(p.serial, p.e, body)
}
