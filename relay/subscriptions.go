package relay

import (
	"slices"
	"sync"
	"time"

	"moa/policy"
	"moa/relay/outbox"
)

// subscriptions are a connection's open REQs, and its COUNTs. It is the job that
// the query workers see: one page of one query a step, each query in turn.
type subscriptions struct {
	s *session

	// mu is held while anything of a query is queued for the client, so that
	// nothing follows its end.
	mu     sync.Mutex // guards the following
	list   []*query
	next   []*query    // with pages left, the one whose turn it is first
	lined  bool        // in the scheduler's line, at work, or waiting for room
	counts []*counting // not yet answered, the one whose turn it is first
	closed bool
	idle   chan struct{} // closed once next and counts are empty, if somebody waits for that
}

// answered waits, at most so long, until what was asked is answered.
func (b *subscriptions) answered(within time.Duration) {
	b.mu.Lock()
	b.idle = make(chan struct{})
	idle := b.idle
	b.tellLocked()
	b.mu.Unlock()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-idle:
	case <-late.C:
	}
}

func (b *subscriptions) tellLocked() {
	if b.idle != nil && len(b.next) == 0 && len(b.counts) == 0 {
		close(b.idle)
		b.idle = nil
	}
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
	b.s.srv.met.subs.Inc()
}

// start lets the workers have q.
func (b *subscriptions) start(q *query) {
	b.mu.Lock()
	b.next = append(b.next, q)
	wake := !b.lined
	b.lined = true
	b.mu.Unlock()
	if wake {
		b.s.srv.queries.put(b)
	}
}

// remove ends q: when it returns, nothing of it is queued any more. False: it
// had ended before.
func (b *subscriptions) remove(q *query) bool {
	b.mu.Lock()
	ok := b.endLocked(q)
	b.mu.Unlock()
	if ok {
		b.s.srv.index.Remove(q.sub)
	}
	return ok
}

func (b *subscriptions) endLocked(q *query) bool {
	i := slices.Index(b.list, q)
	if i < 0 {
		return false
	}
	b.list = slices.Delete(b.list, i, i+1)
	if i := slices.Index(b.next, q); i >= 0 {
		b.next = slices.Delete(b.next, i, i+1)
	}
	b.s.dropFilters(q.bytes)
	b.tellLocked()
	q.over.Store(true)
	b.s.srv.met.subs.Dec()
	return true
}

// review ends those that are not allowed any more.
func (b *subscriptions) review(st *settings) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range slices.Clone(b.list) {
		if why := q.right.refused(b.s, st); why.Action == policy.Reject {
			q.loseLocked(why)
		}
	}
}

// close ends all of them.
func (b *subscriptions) close() {
	b.mu.Lock()
	b.closed = true
	if n := len(b.counts); n > 0 {
		for _, c := range b.counts[1:] { // the first may be under way
			b.s.giveCount(c)
		}
		b.counts = b.counts[:1]
	}
	list := slices.Clone(b.list)
	b.mu.Unlock()
	for _, q := range list {
		b.remove(q)
	}
}

func (b *subscriptions) payer() *account { return b.s.account }

// step does one page of one query.
func (b *subscriptions) step(batch outbox.Batch) (more bool) {
	b.mu.Lock()
	if len(b.next) == 0 {
		b.lined = false
		b.mu.Unlock()
		return false
	}
	q := b.next[0]
	b.mu.Unlock()

	done := q.page(batch)

	b.mu.Lock()
	if i := slices.Index(b.next, q); i >= 0 { // else it was ended meanwhile
		b.next = slices.Delete(b.next, i, i+1)
		if !done {
			b.next = append(b.next, q)
		}
	}
	left := len(b.next) > 0
	b.lined = left
	b.tellLocked()
	b.mu.Unlock()
	return left && b.s.out.Room(b.resume)
}

// resume goes on after there was no room for a page.
func (b *subscriptions) resume() { b.s.srv.queries.put(b) }
