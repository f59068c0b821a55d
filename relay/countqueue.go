package relay

import (
	"context"
	"errors"
	"time"

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
	right  *right        // like that of a sync
	partly bool          // there may be more for a client that authenticates
	sketch *nip45.Sketch // of the authors that the query finds; nil: there is none
	bytes  int           // of its filters
	start  time.Time

	// Owned by the worker whose turn it is.
	scan   store.Scan
	found  int
	worked time.Duration
}

// result is the answer.
func (c *counting) result(n int) []byte {
	if c.sketch == nil {
		return wire.AppendCount(nil, c.id, n, c.partly)
	}
	return wire.AppendCountHLL(nil, c.id, n, c.partly, c.sketch.Hex())
}

// counts are the COUNTs of one connection that are not answered yet. They are
// answered one after the other.
type counts struct {
	c    *client
	subs *subscriptions

	turns[*counting]
	closed bool
}

func newCounts(c *client, subs *subscriptions) *counts {
	b := &counts{c: c, subs: subs}
	b.workers, b.of, b.pages = c.countWorkers, &c.account.payer, b
	return b
}

// queue lets k wait for its turn, or says why it may not.
func (b *counts) queue(st *settings, k *counting) policy.Verdict {
	b.mu.Lock()
	n := len(b.next)
	b.mu.Unlock()
	if n >= st.cfg.Limits.Counts {
		b.c.ledger.Refuse(shares.Counts, shares.Connection)
		return policy.Refuse(reason.RateLimited, "too many COUNTs are under way on this connection")
	}
	if v := b.c.holdFilters(st, k.bytes); v.Action == policy.Reject {
		return v
	}
	if b.c.account.Take(shares.Counts, 1) != shares.Within {
		b.c.releaseFilters(k.bytes)
		return policy.Refuse(reason.RateLimited, "too many COUNTs are under way from your address")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addLocked(k)
	return policy.Verdict{}
}

// give takes back what was charged for a COUNT.
func (b *counts) give(k *counting) {
	b.c.releaseFilters(k.bytes)
	b.c.account.Give(shares.Counts, 1)
}

// page counts on for a while. It reports whether k is answered, or the client is
// gone.
func (b *counts) page(k *counting, _ outbox.Batch) (done bool) {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if !closed && !b.c.gone() && !b.countOn(k) {
		return false
	}
	b.give(k)
	return true
}

// room: an answer needs none, as it is a number.
func (b *counts) room(func()) bool { return true }

func (b *counts) countOn(k *counting) (done bool) {
	if k.scan == nil {
		k.scan = b.c.store.Count(k.query)
	}
	start := time.Now()
	p, err := k.scan.Next(b.c.life, countPage, nil)
	k.found += p.Found
	k.worked += time.Since(start)
	if err == nil && !p.Done && k.worked < maxCountTime {
		return false
	}
	b.c.met.counts.Observe(time.Since(k.start).Seconds())
	lost := k.right.lost(b.c)
	switch {
	case lost.Action == policy.Reject:
		if lost.Reason == reason.AuthRequired {
			b.c.RequestAuth()
		}
		b.subs.refuse(k.id, lost.Reason, lost.Text)
	case err != nil:
		if !errors.Is(err, context.Canceled) {
			b.c.log.Error("stored events cannot be read", "err", err)
		}
		b.subs.refuse(k.id, reason.Error, "the relay cannot read its store at the moment, try again later")
	case !p.Done:
		b.subs.refuse(k.id, reason.Error, "this takes too long to count")
	default:
		b.c.out.Offer(ws.Msg{Head: k.result(k.found)})
	}
	return true
}

// close ends all of them. The first may be under way: it ends by itself.
func (b *counts) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for len(b.next) > 1 {
		k := b.next[1]
		b.removeLocked(k)
		b.give(k)
	}
}
