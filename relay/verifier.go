package relay

import (
	"sync"

	"moa/nips/sig"
)

// maxBatch is the most signatures that are verified together, and the most
// events that a session takes from its socket before it goes on with them.
const maxBatch = 64

// verifier gathers signatures of several connections into batches, without a
// goroutine or a timer of its own:
//
//  1. A caller that finds less than `most` batches under way verifies at once.
//  2. Otherwise it waits in the queue.
//  3. The caller that has finished a batch wakes the first in the queue. That one takes
//     those behind it along, up to maxBatch signatures, and wakes them with their
//     verdicts.
//
// So an idle relay does not wait, and a busy one fills its batches.
type verifier struct {
	sig  sig.Verifier
	most int // batches under way
	met  *metrics

	mu      sync.Mutex // guards the following
	running int
	queue   []*check
}

// check is the signatures of one caller.
type check struct {
	records []sig.Record
	valid   []bool
	// wake is sent true once valid is filled by another caller, false when the
	// caller is to lead the next batch.
	wake chan bool
}

var checks = sync.Pool{New: func() any { return &check{wake: make(chan bool, 1)} }}

// verify fills c.valid.
func (v *verifier) verify(c *check) {
	v.mu.Lock()
	if v.running < v.most {
		v.running++
		v.mu.Unlock()
		v.lead(c, nil)
		return
	}
	v.queue = append(v.queue, c)
	v.mu.Unlock()
	if done := <-c.wake; done {
		return
	}
	v.lead(c, v.follow(len(c.records)))
}

// follow takes from the queue what fits into a batch that has n signatures.
func (v *verifier) follow(n int) []*check {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := 0
	for k < len(v.queue) && n+len(v.queue[k].records) <= maxBatch {
		n += len(v.queue[k].records)
		k++
	}
	followers := append([]*check(nil), v.queue[:k]...)
	v.cut(k)
	return followers
}

// cut takes the first k out of the queue. v.mu is held.
func (v *verifier) cut(k int) {
	n := copy(v.queue, v.queue[k:])
	clear(v.queue[n:])
	v.queue = v.queue[:n]
}

func (v *verifier) lead(c *check, followers []*check) {
	c.valid = grown(c.valid, len(c.records))
	if len(followers) == 0 {
		v.sig.Verify(c.records, c.valid)
		v.met.verified(len(c.records))
	} else {
		v.leadAll(append([]*check{c}, followers...))
	}
	v.mu.Lock()
	if len(v.queue) == 0 {
		v.running--
		v.mu.Unlock()
		return
	}
	next := v.queue[0]
	v.cut(1)
	v.mu.Unlock()
	next.wake <- false
}

// leadAll verifies the checks as one batch and wakes all but the first.
func (v *verifier) leadAll(all []*check) {
	batch := checks.Get().(*check)
	batch.records = batch.records[:0]
	for _, c := range all {
		batch.records = append(batch.records, c.records...)
	}
	batch.valid = grown(batch.valid, len(batch.records))
	v.sig.Verify(batch.records, batch.valid)
	v.met.verified(len(batch.records))
	at := 0
	for i, c := range all {
		c.valid = grown(c.valid, len(c.records))
		at += copy(c.valid, batch.valid[at:])
		if i > 0 {
			c.wake <- true
		}
	}
	checks.Put(batch)
}

// grown returns a slice of length n, b's memory if it is large enough.
func grown(b []bool, n int) []bool {
	if cap(b) < n {
		return make([]bool, n, max(n, maxBatch))
	}
	return b[:n]
}
