package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"moa/nips/event"
	"moa/store"
)

// maxCommit is the most events of one commit: enough to spread a sync of the
// disk, few enough that none waits long for it.
const maxCommit = 512

// ingest is the way of events to the disk: sessions submit, one writer commits
// all that waits together, and one goroutine passes on what was committed, in
// that order. Waiting goes one way: session -> writer -> disk.
type ingest struct {
	// Fixed once made.
	store     store.Store
	log       *slog.Logger
	met       *metrics
	now       func() time.Time
	publish   func(publication)
	maxEvents int
	maxBytes  int
	// fanout waits for the publisher, who waits for nobody. Full: the writer
	// waits. Bound: 4 commits.
	fanout chan []publication

	mu      sync.Mutex // guards the following
	room    sync.Cond  // for submitters
	work    sync.Cond  // for the writer
	waiting []ticket   // Full: the submitter waits. Bounds: maxEvents, maxBytes
	count   int        // waiting or being committed
	bytes   int        // of those
	expire  bool       // expired events are to be removed
	closed  bool

	doubts doubts

	// Owned by run.
	failing bool
}

func newIngest(d Deps, l Limits, publish func(publication)) *ingest {
	in := &ingest{
		store: d.Store, log: d.Log, now: d.Now, publish: publish,
		maxEvents: l.TicketEvents, maxBytes: l.TicketBytes,
		fanout: make(chan []publication, 4),
	}
	in.room.L, in.work.L = &in.mu, &in.mu
	return in
}

// submit hands tickets to the writer, in order, and waits while too many wait
// already.
func (in *ingest) submit(ts []ticket) {
	bytes := 0
	for i := range ts {
		bytes += ts[i].cost()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for !in.closed && in.count > 0 && (in.count+len(ts) > in.maxEvents || in.bytes+bytes > in.maxBytes) {
		in.room.Wait()
	}
	if in.closed { // also while this one waited: nobody takes them any more
		for i := range ts {
			ts[i].s.settled() // its connection is gone
		}
		return
	}
	in.waiting = append(in.waiting, ts...)
	in.count += len(ts)
	in.bytes += bytes
	in.work.Signal()
}

// load says how much waits for the writer.
func (in *ingest) load() (tickets, bytes int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.count, in.bytes
}

// sweep has the writer remove expired events, between its commits.
func (in *ingest) sweep() {
	in.mu.Lock()
	in.expire = true
	in.mu.Unlock()
	in.work.Signal()
}

// close ends run and runFanout once everything submitted is done. What is
// submitted after it is dropped.
func (in *ingest) close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	in.work.Signal()
	in.room.Broadcast()
}

// run is the writer. ctx ends a commit that hangs.
func (in *ingest) run(ctx context.Context) {
	defer close(in.fanout)
	var batch []ticket
	var events []*event.Event
	for {
		var more, expire bool
		if batch, expire, more = in.take(batch[:0]); !more {
			return
		}
		events = undecided(events[:0], batch)
		results, err := in.commit(ctx, events)
		decide(batch, results, err)
		published := publications(batch)
		in.answer(batch)
		if len(published) > 0 {
			in.fanout <- published
		}
		clear(batch)
		clear(events)
		if expire {
			in.removeExpired(ctx)
		}
	}
}

// removeExpired removes a few expired events, and sees to it that the rest
// follow.
func (in *ingest) removeExpired(ctx context.Context) {
	n, err := in.store.Expire(ctx, in.now().Unix(), sweepMost)
	switch {
	case err != nil:
		in.log.Error("expired events cannot be removed", "err", err)
	case n == sweepMost:
		in.sweep()
	}
}

// runFanout passes on what was committed.
func (in *ingest) runFanout() {
	for batch := range in.fanout {
		for _, p := range batch {
			in.publish(p)
		}
	}
}

// take waits for work: tickets, which it appends to batch, or a sweep. more is
// false when ingest is closed and everything done.
func (in *ingest) take(batch []ticket) (_ []ticket, expire, more bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.waiting) == 0 && !in.expire && !in.closed {
		in.work.Wait()
	}
	if len(in.waiting) == 0 && in.closed {
		return batch, false, false
	}
	n := min(len(in.waiting), maxCommit)
	batch = append(batch, in.waiting[:n]...)
	rest := copy(in.waiting, in.waiting[n:])
	clear(in.waiting[rest:])
	in.waiting = in.waiting[:rest]
	expire, in.expire = in.expire, false
	return batch, expire, true
}

// undecided appends the events that the store is to decide.
func undecided(events []*event.Event, batch []ticket) []*event.Event {
	for i := range batch {
		if batch[i].fate == "" {
			events = append(events, batch[i].e)
		}
	}
	return events
}

func (in *ingest) commit(ctx context.Context, events []*event.Event) ([]store.Result, error) {
	if len(events) == 0 {
		return nil, nil
	}
	start := time.Now()
	results, err := in.store.Commit(ctx, in.now().Unix(), events)
	in.met.committed(len(events), time.Since(start))
	if err == nil && len(results) != len(events) {
		err = fmt.Errorf("store: %d results for %d events", len(results), len(events))
	}
	in.settle(ctx, events, results)
	in.note(err)
	return results, err
}

// note logs the first failure of a row of them, and its end.
func (in *ingest) note(err error) {
	failed := err != nil
	if failed == in.failing {
		return
	}
	in.failing = failed
	switch {
	case errors.Is(err, store.ErrFull):
		in.log.Error("the disk is full: no events are stored", "err", err)
	case failed:
		in.log.Error("events cannot be stored", "err", err)
	default:
		in.log.Info("events are stored again")
	}
}

// decide hands the store's results to the tickets that were open. With an error
// there may be some without a result.
func decide(batch []ticket, results []store.Result, err error) {
	k := 0
	for i := range batch {
		t := &batch[i]
		if t.fate != "" {
			continue
		}
		if k < len(results) && results[k].Outcome != 0 {
			t.decide(results[k])
		} else {
			t.fail(err)
		}
		k++
	}
}

// publications are the events that live subscriptions are to see.
func publications(batch []ticket) []publication {
	out := make([]publication, 0, len(batch))
	for i := range batch {
		if t := &batch[i]; t.fate == fateStored || t.fate == fateRelayed {
			out = append(out, publication{t.s, t.chain, t.e, t.serial, t.recall})
		}
	}
	return out
}

// answer queues the OKs and makes room.
func (in *ingest) answer(batch []ticket) {
	bytes := 0
	for i := range batch {
		t := &batch[i]
		bytes += t.cost()
		in.met.events[t.fate].Inc()
		t.answer()
		t.s.settled()
	}
	in.mu.Lock()
	in.count -= len(batch)
	in.bytes -= bytes
	in.mu.Unlock()
	in.room.Broadcast()
}
