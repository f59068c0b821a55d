package relay

import (
	"context"
	"errors"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/relay/ws"
	"moa/store"
)

// maxCountTime is how long one COUNT may keep a worker.
const maxCountTime = 10 * time.Second

// counting is a COUNT under way (NIP-45). It opens no subscription.
type counting struct {
	subs  *subscriptions
	id    string
	query store.Query
	start time.Time
}

// count answers a COUNT.
func (s *session) count(st *settings, id string, filters []*event.Filter) {
	filters, ok := s.admit(st, id, filters, true)
	if !ok {
		return
	}
	if s.subs == nil {
		s.subs = &subscriptions{s: s}
	}
	if !s.subs.begin(st.cfg.Limits.Queries) {
		s.closed(id, reason.RateLimited, "too many queries are under way on this connection")
		return
	}
	s.srv.counts.put(&counting{s.subs, id, s.storeQuery(st, filters), time.Now()})
}

// step counts.
func (c *counting) step() (more bool) {
	s := c.subs.s
	defer c.subs.end()
	if c.subs.gone() {
		return false
	}
	ctx, cancel := context.WithTimeout(s.srv.life, maxCountTime)
	defer cancel()
	n, err := s.srv.deps.Store.Count(ctx, c.query)
	s.srv.met.counts.Observe(time.Since(c.start).Seconds())
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		s.closed(c.id, reason.Error, "this takes too long to count")
	case err != nil:
		s.closed(c.id, reason.Error, "the relay cannot read its store at the moment, try again later")
	default:
		s.out.offer(ws.Msg{Head: wire.AppendCount(nil, c.id, n, false)})
	}
	return false
}

// begin takes a place among the queries under way, if there is one.
func (b *subscriptions) begin(most int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.active >= most {
		return false
	}
	b.active++
	return true
}

// end gives it back.
func (b *subscriptions) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.active--
}

// gone reports that the connection is over.
func (b *subscriptions) gone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}
