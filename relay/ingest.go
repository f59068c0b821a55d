package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"moa/nips/event"
	"moa/relay/outbox"
	"moa/store"
)

// fewTickets is how many events a session commits itself rather than wake the
// writer.
const fewTickets = 4

// ingest is the way of events to the disk. One goroutine at a time leads: it
// commits what waits, answers, and hands over to passing.
//
//  1. A session that comes with a few events and finds nobody leading, and
//     nothing waiting, leads one round for itself. To wake the writer for them
//     would cost more than some of the commit.
//  2. Otherwise its events wait, and the session goes on reading.
//  3. Who has led wakes the writer if anything waits, which leads round after
//     round until nothing does.
//
// So an event that comes alone meets one goroutine from the socket to the disk
// and back, and a busy relay commits much at once. Waiting goes one way:
// session -> writer -> disk.
type ingest struct {
	// Fixed once made.
	store     store.Store
	log       *slog.Logger
	met       *metrics
	now       func() time.Time
	writers   *outbox.Writers
	passing   *passing
	life      context.Context // ends a commit that hangs
	maxEvents int
	maxBytes  int

	mu       sync.Mutex // guards the following
	room     sync.Cond  // for submitters
	work     sync.Cond  // for the writer
	waiting  []ticket   // Full: the submitter waits. Bounds: maxEvents, maxBytes
	amount              // of what waits or is being committed
	shares   map[source]amount
	portions portions
	full     int  // submitters that wait for room
	leading  bool // somebody leads
	expire   bool // expired events are to be removed
	// removals are of operators, who wait for the answer: one a command.
	removals []removal
	closed   bool

	doubts doubts

	// Owned by who leads.
	failing bool
	events  []*event.Event
}

func newIngest(d Deps, l Limits, w *outbox.Writers, publish func(outbox.Batch, publication)) *ingest {
	in := &ingest{
		store: d.Store, log: d.Log, now: d.Now, writers: w, passing: newPassing(w, publish), life: context.Background(),
		maxEvents: l.TicketEvents, maxBytes: l.TicketBytes,
	}
	in.shares = map[source]amount{}
	in.room.L, in.work.L = &in.mu, &in.mu
	return in
}

// submit has tickets decided and answered, in order: now, or by the writer. It
// waits while too many wait already.
func (in *ingest) submit(ts []ticket) {
	l, weight := amount{tickets: len(ts)}, 0
	for i := range ts {
		l.bytes += ts[i].cost()
		weight += ts[i].weight()
	}
	from := ts[0].s.source()
	few := len(ts) <= fewTickets && weight <= sessionWeight && !in.passing.full()
	in.mu.Lock()
	for !in.closed && in.fullLocked(from, l) {
		in.full++
		in.room.Wait()
		in.full--
	}
	if in.closed { // also while this one waited: nobody takes them any more
		in.mu.Unlock()
		for i := range ts {
			ts[i].s.settled() // its connection is gone
		}
		return
	}
	in.addLocked(from, l)
	if few && !in.leading && len(in.waiting) == 0 && !in.choresLocked() {
		in.leading = true
		in.mu.Unlock()
		in.lead(ts, true)
		return
	}
	in.waiting = append(in.waiting, ts...)
	wake := !in.leading // otherwise who leads does it
	in.mu.Unlock()
	if wake {
		in.work.Signal()
	}
}

// load says how much waits for the writer.
func (in *ingest) load() (tickets, bytes int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.tickets, in.amount.bytes
}

// sweep has the writer remove expired events, between its commits.
func (in *ingest) sweep() {
	in.mu.Lock()
	in.expire = true
	in.mu.Unlock()
	in.work.Signal()
}

// close ends run, and passing, once everything submitted is done. What is
// submitted after it is dropped.
func (in *ingest) close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	in.work.Signal()
	in.room.Broadcast()
}

// run is the writer.
func (in *ingest) run() {
	defer in.passing.close()
	var batch []ticket
	for {
		in.passing.makeRoom()
		var more, expire bool
		if batch, expire, more = in.take(batch[:0]); !more {
			in.remove()
			return
		}
		if expire {
			in.removeExpired()
		}
		in.remove()
		in.lead(batch, false)
		clear(batch)
	}
}

// lead commits the batch, answers it and hands on what was accepted. The caller
// leads, and does no more when it returns.
func (in *ingest) lead(batch []ticket, session bool) {
	in.events = undecided(in.events[:0], batch)
	results, err := in.commit(in.events)
	decide(batch, results, err)
	clear(in.events)

	b := in.writers.Batch()
	idle := in.answer(b, batch)
	yours := in.passing.add(batch, session || idle && len(batch) <= fewTickets)
	in.stepDown()
	b.Done() // the OKs first
	if yours {
		in.passing.pass()
	}
}

// stepDown lets another lead.
func (in *ingest) stepDown() {
	in.mu.Lock()
	in.leading = false
	wake := len(in.waiting) > 0 || in.choresLocked() || in.closed
	in.mu.Unlock()
	if wake {
		in.work.Signal()
	}
}

// removeExpired removes a few expired events, and sees to it that the rest
// follow.
func (in *ingest) removeExpired() {
	n, err := in.store.Expire(in.life, in.now().Unix(), sweepMost)
	switch {
	case err != nil:
		in.log.Error("expired events cannot be removed", "err", err)
	case n == sweepMost:
		in.sweep()
	}
}

// take waits for work, tickets, which it appends to batch, or a sweep, and for
// the lead. more is false when ingest is closed and everything done.
func (in *ingest) take(batch []ticket) (_ []ticket, expire, more bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.leading || len(in.waiting) == 0 && !in.choresLocked() && !in.closed {
		in.work.Wait()
	}
	if len(in.waiting) == 0 && in.closed {
		return batch, false, false
	}
	in.leading = true
	batch, rest := in.portions.pick(batch, in.waiting)
	clear(in.waiting[len(rest):])
	in.waiting = rest
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

func (in *ingest) commit(events []*event.Event) ([]store.Result, error) {
	if len(events) == 0 {
		return nil, nil
	}
	results, err := in.commitOnce(events)
	if err != nil && len(events) > 1 && !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrClosed) {
		return in.commitEach(events, results, err)
	}
	in.note(err)
	return results, err
}

func (in *ingest) commitOnce(events []*event.Event) ([]store.Result, error) {
	start := time.Now()
	results, err := in.store.Commit(in.life, in.now().Unix(), events)
	in.met.committed(len(events), time.Since(start))
	if err == nil && len(results) != len(events) {
		err = fmt.Errorf("store: %d results for %d events", len(results), len(events))
	}
	in.settle(in.life, events, results)
	return results, err
}

// mostFailures in a row are the store's fault, and not that of one event.
const mostFailures = 3

// commitEach commits one by one what of a failed batch is not decided, so that an
// event that cannot be stored fails alone.
func (in *ingest) commitEach(events []*event.Event, results []store.Result, err error) ([]store.Result, error) {
	all := make([]store.Result, len(events))
	copy(all, results)
	stored, failures := false, 0
	for i := range events {
		if all[i].Outcome != 0 || failures == mostFailures || in.life.Err() != nil {
			continue
		}
		one, failed := in.commitOnce(events[i : i+1])
		if len(one) == 1 {
			all[i] = one[0]
		}
		if failed != nil {
			failures++
			err = failed
			continue
		}
		stored, failures = true, 0
	}
	if !stored {
		in.note(err)
		return all, err
	}
	in.log.Error("an event could not be stored; others could", "err", err)
	in.note(nil)
	return all, err
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

// answer queues the OKs and makes room. It reports whether nothing waits.
func (in *ingest) answer(b outbox.Batch, batch []ticket) (idle bool) {
	for i := range batch {
		t := &batch[i]
		in.met.events[t.fate].Inc()
		t.answer(b)
		t.s.settled()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := 0; i < len(batch); { // one session's stand together
		s, done := batch[i].s, amount{}
		for ; i < len(batch) && batch[i].s == s; i++ {
			done.tickets--
			done.bytes -= batch[i].cost()
		}
		in.addLocked(s.source(), done)
	}
	if in.full > 0 {
		in.room.Broadcast()
	}
	return len(in.waiting) == 0
}
