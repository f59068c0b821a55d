package relay

import (
	"context"
	"errors"
	"slices"
	"time"

	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay/outbox"
	"moa/relay/ws"
)

// subscriptions are a connection's open REQs. Those that have pages of stored
// events left take turns.
type subscriptions struct {
	c *client

	// turns.mu is held while anything of a query is queued for the client, so that
	// nothing follows its end. It guards the following, too.
	turns[*query]
	list []*query
}

func newSubscriptions(c *client) *subscriptions {
	b := &subscriptions{c: c}
	b.workers, b.of, b.pages, b.rotates = c.queryWorkers, &c.account.payer, b, true
	return b
}

// find returns the open REQ of that id, or nil.
func (b *subscriptions) find(id string) *query {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.findLocked(id)
}

func (b *subscriptions) findLocked(id string) *query {
	for _, q := range b.list {
		if q.sub.ID == id {
			return q
		}
	}
	return nil
}

// len is how many REQs are open.
func (b *subscriptions) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.list)
}

// add registers a REQ. Its pages come once start is called.
func (b *subscriptions) add(q *query) {
	b.mu.Lock()
	b.list = append(b.list, q)
	b.mu.Unlock()
	b.c.reqs.Add(1)
	b.c.met.subs.Inc()
}

// start lets the workers have q.
func (b *subscriptions) start(q *query) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addLocked(q)
}

// page sends the next stored events of q, and after the last ones EOSE and what
// live ones have waited. It reports whether that was all.
func (b *subscriptions) page(q *query, batch outbox.Batch) (done bool) {
	// Most queries have one page: the socket is asked before the others.
	if b.c.out.Over() || q.stored.scan != nil && b.c.conn.Gone() {
		b.remove(q)
		return true
	}
	p := outbox.NewPage()
	progress, err := q.read(b.c, p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if q.over.Load() {
		p.Release()
		return true
	}
	if err != nil {
		p.Release()
		b.failLocked(q, err)
		return true
	}
	if why := q.right.lost(b.c); why.Action == policy.Reject {
		p.Release()
		b.loseLocked(q, why)
		return true
	}
	b.c.met.served.Add(float64(p.Len()))
	if progress.Done {
		p.Add(ws.Msg{Head: wire.AppendEOSE(nil, q.sub.ID, q.stored.hint(progress))})
	}
	batch.Page(&b.c.out, p)
	if progress.Done {
		b.goLiveLocked(q)
	}
	return progress.Done
}

func (b *subscriptions) room(then func()) bool { return b.c.out.Room(then) }

// goLiveLocked ends the stored part of q, whose EOSE is queued.
func (b *subscriptions) goLiveLocked(q *query) {
	a := q.stored
	q.over.Store(true)
	b.c.met.queries.Observe(time.Since(a.start).Seconds())
	q.stored = nil
	q.right.asks = true
	q.sub.Generation = q.right.generation.Load()
	if q.sub.GoLive(a.query.UpTo) {
		return
	}
	if why := q.right.lost(b.c); why.Action == policy.Reject {
		b.loseLocked(q, why)
	} else {
		b.closeLocked(q, reason.Error, "too many events arrived while the stored ones were sent, subscribe again")
	}
}

func (b *subscriptions) failLocked(q *query, err error) {
	if !errors.Is(err, context.Canceled) {
		b.c.log.Error("stored events cannot be read", "err", err)
	}
	b.closeLocked(q, reason.Error, "the relay cannot read its store at the moment, try again later")
}

// lose implements queryOwner.
func (b *subscriptions) lose(q *query, why policy.Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.loseLocked(q, why)
}

func (b *subscriptions) loseLocked(q *query, why policy.Verdict) {
	if why.Reason == reason.AuthRequired {
		b.c.RequestAuth()
	}
	b.closeLocked(q, why.Reason, why.Text)
}

// closeLocked closes the subscription from this side.
func (b *subscriptions) closeLocked(q *query, r reason.Reason, text string) {
	if b.endLocked(q) {
		b.c.index.Remove(&q.sub)
		b.c.closed(q.sub.ID, r, text)
	}
}

// refuse answers a COUNT with CLOSED, as it must be (NIP-45). For a client that
// ends a REQ by the same id too, and nothing of that may follow (NIP-01): so it
// ends here as well.
func (b *subscriptions) refuse(id string, r reason.Reason, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.findLocked(id); q != nil {
		b.closeLocked(q, r, text)
		return
	}
	b.c.closed(id, r, text)
}

// remove ends q: when it returns, nothing of it is queued any more. False: it
// had ended before.
func (b *subscriptions) remove(q *query) bool {
	b.mu.Lock()
	ok := b.endLocked(q)
	b.mu.Unlock()
	if ok {
		b.c.index.Remove(&q.sub)
	}
	return ok
}

func (b *subscriptions) endLocked(q *query) bool {
	i := slices.Index(b.list, q)
	if i < 0 {
		return false
	}
	b.list = slices.Delete(b.list, i, i+1)
	b.removeLocked(q)
	b.c.releaseFilters(q.bytes)
	q.over.Store(true)
	b.c.reqs.Add(-1)
	b.c.met.subs.Dec()
	return true
}

// review ends those that are not allowed any more.
func (b *subscriptions) review(st *settings) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range slices.Clone(b.list) {
		if why := q.right.refused(b.c, st); why.Action == policy.Reject {
			b.loseLocked(q, why)
		}
	}
}

// close ends all of them.
func (b *subscriptions) close() {
	b.mu.Lock()
	list := slices.Clone(b.list)
	b.mu.Unlock()
	for _, q := range list {
		b.remove(q)
	}
}
