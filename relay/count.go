package relay

import (
	"context"
	"errors"
	"slices"
	"time"

	"moa/nips/event"
	"moa/nips/nip45"
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
	id     string
	query  store.Query
	right  *right        // like that of a reconciliation
	sketch *nip45.Sketch // of whom the query finds; nil: there is none
	start  time.Time
}

// count answers a COUNT.
func (s *session) count(st *settings, id string, filters []*event.Filter) {
	if s.subs == nil {
		s.subs = &subscriptions{s: s}
	}
	since := st.generation() // before anybody is asked
	filters, v := s.admit(st, id, filters, true)
	if v.Action == policy.Reject {
		s.subs.refuse(id, v.Reason, v.Text)
		return
	}
	c := counting{id: id, query: s.storeQuery(st, filters), right: new(right), start: time.Now()}
	c.right.grant(filters, since)
	if st.cfg.CountSketches {
		c.sketch = nip45.New(filters)
	}
	if c.sketch != nil {
		c.query.Visible = sketched(c.sketch, c.query.Visible)
	}
	if !s.subs.line(c, st.cfg.Limits.Counts) {
		s.subs.refuse(id, reason.RateLimited, "too many COUNTs are under way on this connection")
	}
}

// sketched has the authors of what is visible counted in the sketch.
func sketched(to *nip45.Sketch, visible func(*store.Record) bool) func(*store.Record) bool {
	return func(r *store.Record) bool {
		if visible != nil && !visible(r) {
			return false
		}
		to.Add(&r.PubKey)
		return true
	}
}

// refuse answers a COUNT with CLOSED, as it must be (NIP-45). For a client that
// ends a REQ by the same id too, and nothing of that may follow (NIP-01): so it
// ends here as well.
func (b *subscriptions) refuse(id string, r reason.Reason, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.findLocked(id); q != nil {
		q.endLocked(r, text)
		return
	}
	b.s.closed(id, r, text)
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
	b.tellLocked()
	return len(b.counts) > 0
}

func (b counter) answer(c counting) {
	s := b.s
	ctx, cancel := context.WithTimeout(s.srv.life, maxCountTime)
	defer cancel()
	n, err := store.Total(ctx, s.srv.deps.Store.Count(c.query))
	s.srv.met.counts.Observe(time.Since(c.start).Seconds())
	lost := c.right.lost(s)
	switch {
	case lost.Action == policy.Reject:
		if lost.Reason == reason.AuthRequired {
			s.RequestAuth()
		}
		b.refuse(c.id, lost.Reason, lost.Text)
	case errors.Is(err, context.DeadlineExceeded):
		b.refuse(c.id, reason.Error, "this takes too long to count")
	case err != nil:
		b.refuse(c.id, reason.Error, "the relay cannot read its store at the moment, try again later")
	default:
		s.out.offer(ws.Msg{Head: c.result(n)})
	}
}

// result is the answer.
func (c *counting) result(n int) []byte {
	if c.sketch == nil {
		return wire.AppendCount(nil, c.id, n, false)
	}
	return wire.AppendCountHLL(nil, c.id, n, false, c.sketch.Hex())
}
