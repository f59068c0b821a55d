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
	"moa/relay/outbox"
	"moa/relay/shares"
	"moa/relay/ws"
	"moa/store"
)

// maxCountTime is how long workers may be at one COUNT.
const maxCountTime = 10 * time.Second

// countPage bounds what a worker does for a COUNT before it is the next one's
// turn: about 10 ms.
var countPage = store.Page{Work: onePage.Work}

// counting is a COUNT that waits or is under way (NIP-45). It opens no subscription.
type counting struct {
	id     string
	query  store.Query
	right  *right        // like that of a reconciliation
	partly bool          // there may be more for who authenticates
	sketch *nip45.Sketch // of whom the query finds; nil: there is none
	bytes  int           // of its filters
	start  time.Time

	// Owned by the worker whose turn it is.
	scan   store.Scan
	found  int
	worked time.Duration
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
	filters = fewest(filters)
	c := &counting{id: id, query: s.storeQuery(st, filters), right: new(right), bytes: filterBytes(filters), start: time.Now()}
	c.right.grant(filters, since)
	c.partly = s.withholds(st, filters)
	if st.cfg.CountSketches {
		c.sketch = nip45.New(filters)
	}
	if c.sketch != nil {
		c.query.Visible = sketched(c.sketch, c.query.Visible)
	}
	if v := s.subs.line(st, c); v.Action == policy.Reject {
		s.subs.refuse(id, v.Reason, v.Text)
	}
}

// fewest drops those of the filters whose events another one finds.
func fewest(filters []*event.Filter) []*event.Filter {
	var kept []*event.Filter
	for i, f := range filters {
		needless := func(by *event.Filter) bool { return by != f && by.Covers(f) }
		if !slices.ContainsFunc(kept, needless) && !slices.ContainsFunc(filters[i+1:], needless) {
			kept = append(kept, f)
		}
	}
	return kept
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

// line lets c wait for its turn, or says why it may not.
func (b *subscriptions) line(st *settings, c *counting) policy.Verdict {
	b.mu.Lock()
	n := len(b.counts)
	b.mu.Unlock()
	if n >= st.cfg.Limits.Counts {
		b.s.srv.ledger.Refuse(shares.Counts, shares.Connection)
		return policy.Refuse(reason.RateLimited, "too many COUNTs are under way on this connection")
	}
	if v := b.s.holdFilters(st, c.bytes); v.Action == policy.Reject {
		return v
	}
	if b.s.account.Take(shares.Counts, 1) != shares.Within {
		b.s.dropFilters(c.bytes)
		return policy.Refuse(reason.RateLimited, "too many COUNTs are under way from your address")
	}
	b.mu.Lock()
	first := len(b.counts) == 0
	b.counts = append(b.counts, c)
	b.mu.Unlock()
	if first {
		b.s.srv.counts.put(counter{b})
	}
	return policy.Verdict{}
}

// giveCount takes back what was charged for a COUNT.
func (s *session) giveCount(c *counting) {
	s.dropFilters(c.bytes)
	s.account.Give(shares.Counts, 1)
}

// counter is the job that the count workers see: the COUNTs of one connection,
// one after the other, a page a step, so that who asks for much waits in line
// after each.
type counter struct{ *subscriptions }

func (b counter) step(outbox.Batch) (more bool) {
	b.mu.Lock()
	c, gone := b.counts[0], b.closed
	b.mu.Unlock()
	if !gone && !b.page(c) {
		return true
	}
	b.s.giveCount(c)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts = slices.Delete(b.counts, 0, 1)
	b.tellLocked()
	return len(b.counts) > 0
}

// page counts on for a while. It reports whether c is answered.
func (b counter) page(c *counting) (done bool) {
	s := b.s
	if c.scan == nil {
		c.scan = s.srv.deps.Store.Count(c.query)
	}
	start := time.Now()
	p, err := c.scan.Next(s.srv.life, countPage, nil)
	c.found += p.Found
	c.worked += time.Since(start)
	if err == nil && !p.Done && c.worked < maxCountTime {
		return false
	}
	s.srv.met.counts.Observe(time.Since(c.start).Seconds())
	lost := c.right.lost(s)
	switch {
	case lost.Action == policy.Reject:
		if lost.Reason == reason.AuthRequired {
			s.RequestAuth()
		}
		b.refuse(c.id, lost.Reason, lost.Text)
	case err != nil:
		if !errors.Is(err, context.Canceled) {
			s.srv.deps.Log.Error("stored events cannot be read", "err", err)
		}
		b.refuse(c.id, reason.Error, "the relay cannot read its store at the moment, try again later")
	case !p.Done:
		b.refuse(c.id, reason.Error, "this takes too long to count")
	default:
		s.out.Offer(ws.Msg{Head: c.result(c.found)})
	}
	return true
}

// result is the answer.
func (c *counting) result(n int) []byte {
	if c.sketch == nil {
		return wire.AppendCount(nil, c.id, n, c.partly)
	}
	return wire.AppendCountHLL(nil, c.id, n, c.partly, c.sketch.Hex())
}
