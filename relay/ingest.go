package relay

import (
	"errors"
	"sync"

	"moa/relay/outbox"
)

// sourceShare is the part of what may wait that one source may have.
const sourceShare = 4

// fewTickets is how many events a session commits itself rather than wake the
// writer.
const fewTickets = 4

// ingest is the way of events to the disk. One goroutine at a time leads: it
// commits what waits, answers, and hands over to the fan-out.
//
//  1. A session that comes with a few events, when no goroutine leads and nothing
//     waits, leads for one batch. To wake the writer for them would cost more than
//     some of the commit.
//  2. Otherwise its events wait, and the session goes on reading.
//  3. When the leader is done it wakes the writer if tickets are waiting. The
//     writer then commits batch after batch until none are.
//
// So an event that comes alone meets one goroutine from the socket to the disk
// and back, and a busy relay commits much at once. Waiting goes one way:
// session -> writer -> disk.
type ingest struct {
	*committer

	// Fixed once made.
	writers   *outbox.Writers
	fanout    *fanout
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
	leading  bool // a goroutine leads
	chores   chores
	closed   bool
}

func newIngest(c *committer, l *Limits, w *outbox.Writers, deliver func(outbox.Batch, accepted)) *ingest {
	in := &ingest{
		committer: c, writers: w, fanout: newFanout(w, deliver),
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
	from := ts[0].from.source()
	few := len(ts) <= fewTickets && weight <= sessionWeight && !in.fanout.full()
	in.mu.Lock()
	for !in.closed && in.fullLocked(from, l) {
		in.full++
		in.room.Wait()
		in.full--
	}
	if in.closed { // also while this one waited: the writer will not take them
		in.mu.Unlock()
		for i := range ts {
			ts[i].from.resolved() // its connection is gone
		}
		return
	}
	in.addLocked(from, l)
	if few && !in.leading && len(in.waiting) == 0 && !in.chores.any() {
		in.leading = true
		in.mu.Unlock()
		in.lead(ts, true)
		return
	}
	in.waiting = append(in.waiting, ts...)
	wake := !in.leading // otherwise the one that leads does it
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

// amount is what waits for the writer.
type amount struct{ tickets, bytes int }

func (l amount) plus(m amount) amount { return amount{l.tickets + m.tickets, l.bytes + m.bytes} }

// fullLocked reports that there is no room for so much more of a source: a
// quarter is the most that one has. If nothing waits, anything fits.
func (in *ingest) fullLocked(from source, l amount) bool {
	all, its := in.amount.plus(l), in.shares[from].plus(l)
	return in.tickets > 0 && (all.tickets > in.maxEvents || all.bytes > in.maxBytes) ||
		in.shares[from].tickets > 0 && (its.tickets > in.maxEvents/sourceShare || its.bytes > in.maxBytes/sourceShare)
}

func (in *ingest) addLocked(from source, l amount) {
	in.amount = in.amount.plus(l)
	if its := in.shares[from].plus(l); its.tickets > 0 {
		in.shares[from] = its
	} else {
		delete(in.shares, from)
	}
}

// sweep has the writer remove expired events, between its commits.
func (in *ingest) sweep() {
	in.mu.Lock()
	in.chores.expire = true
	in.mu.Unlock()
	in.work.Signal()
}

// ask has the writer remove events, between its commits.
func (in *ingest) ask(r removal) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return errors.New("relay: it is shutting down")
	}
	in.chores.removals = append(in.chores.removals, r)
	in.work.Signal()
	return nil
}

// close ends run, and the fan-out, once everything submitted is done. What is
// submitted after it is dropped.
func (in *ingest) close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	in.work.Signal()
	in.room.Broadcast()
}

// ended reports that nothing is taken any more.
func (in *ingest) ended() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.closed
}

// run is the writer.
func (in *ingest) run() {
	defer in.fanout.close()
	var batch []ticket
	for {
		in.fanout.makeRoom()
		var todo chores
		var more bool
		batch, todo, more = in.take(batch[:0])
		if todo.do(in.committer) {
			in.sweep() // the rest, later
		}
		if !more {
			return
		}
		in.lead(batch, false)
		clear(batch)
	}
}

// lead commits the batch, sends the OKs and gives what was accepted to the fan-out.
// Only the goroutine that holds leading may call it; when lead returns it no longer
// does.
func (in *ingest) lead(batch []ticket, session bool) {
	in.decide(batch)
	b := in.writers.Batch()
	idle := in.sendOKs(b, batch)
	leads := in.fanout.add(batch, session || idle && len(batch) <= fewTickets)
	in.stepDown()
	b.Done() // the OKs first
	if leads {
		in.fanout.lead()
	}
}

// stepDown lets another lead.
func (in *ingest) stepDown() {
	in.mu.Lock()
	in.leading = false
	wake := len(in.waiting) > 0 || in.chores.any() || in.closed
	in.mu.Unlock()
	if wake {
		in.work.Signal()
	}
}

// take waits for work, tickets, which it appends to batch, or chores, and for the
// lead. more is false when ingest is closed and there are no more tickets.
func (in *ingest) take(batch []ticket) (_ []ticket, todo chores, more bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.leading || len(in.waiting) == 0 && !in.chores.any() && !in.closed {
		in.work.Wait()
	}
	todo, in.chores = in.chores, chores{}
	if len(in.waiting) == 0 && in.closed {
		todo.expire = false // it can wait
		return batch, todo, false
	}
	in.leading = true
	batch, rest := in.portions.pick(batch, in.waiting)
	clear(in.waiting[len(rest):])
	in.waiting = rest
	return batch, todo, true
}

// sendOKs queues the OKs and makes room. It reports whether nothing waits.
func (in *ingest) sendOKs(b outbox.Batch, batch []ticket) (idle bool) {
	for i := range batch {
		t := &batch[i]
		in.met.events[t.fate].Inc()
		t.sendOK(b)
		t.from.resolved()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := 0; i < len(batch); { // one session's stand together
		from, done := batch[i].from, amount{}
		for ; i < len(batch) && batch[i].from == from; i++ {
			done.tickets--
			done.bytes -= batch[i].cost()
		}
		in.addLocked(from.source(), done)
	}
	if in.full > 0 {
		in.room.Broadcast()
	}
	return len(in.waiting) == 0
}
