package relay

import (
	"context"
	"errors"
	"slices"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay/ws"
	"moa/store"
)

// maxCountTime is how long one COUNT may keep a worker.
const maxCountTime = 10 * time.Second

// counting is a COUNT that waits or is under way (NIP-45). It opens no subscription.
type counting struct {
	id    string
	query store.Query
	start time.Time
}

// count answers a COUNT.
func (s *session) count(st *settings, id string, filters []*event.Filter) {
	filters, v := s.admit(st, id, filters, true)
	if v.Action == policy.Reject {
		s.closed(id, v.Reason, v.Text)
		return
	}
	if s.subs == nil {
		s.subs = &subscriptions{s: s}
	}
	if !s.subs.line(counting{id, s.storeQuery(st, filters), time.Now()}, st.cfg.Limits.Counts) {
		s.closed(id, reason.RateLimited, "too many COUNTs are under way on this connection")
	}
}

// line lets c wait for its turn. False: most wait already.
func (b *subscriptions) line(c counting, most int) bool {
	b.mu.Lock()
	n := len(b.counts)
	if n < most {
		b.counts = append(b.counts, c)
	}
	b.mu.Unlock()
	if n == 0 {
		b.s.srv.counts.put(counter{b})
	}
	return n < most
}

// counter is the job that the count workers see: the COUNTs of one connection,
// one a step, so that who asks for many waits in line after each.
type counter struct{ *subscriptions }

func (b counter) step() (more bool) {
	b.mu.Lock()
	c, gone := b.counts[0], b.closed
	b.mu.Unlock()
	if gone {
		return false
	}
	b.answer(c)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts = slices.Delete(b.counts, 0, 1)
	return len(b.counts) > 0
}

func (b counter) answer(c counting) {
	s := b.s
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
}
