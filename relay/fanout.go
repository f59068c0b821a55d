package relay

import (
	"sync"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/relay/outbox"
	"moa/store"
)

// fanout hands accepted events to the live subscriptions, in the order in which
// they were committed. One goroutine at a time leads it: the one that has just
// committed a few events, if no other leads, or else the one of run.
type fanout struct {
	deliver func(outbox.Batch, accepted)
	writers *outbox.Writers

	mu      sync.Mutex // guards the following
	work    sync.Cond  // for run
	room    sync.Cond  // for the writer, and for flush
	waiting []accepted
	bytes   int  // of the events that wait, or are in the fan-out now
	leading bool // a goroutine leads
	closed  bool
	added   uint64 // events, ever
	done    uint64 // of them

	spare []accepted // owned by the goroutine that leads
}

// maxFanout is how many events, and maxFanoutBytes how many bytes of them, may
// wait before no more are committed. A batch may come on top.
const (
	maxFanout      = 2048
	maxFanoutBytes = 16 << 20
)

// fanoutBytes is how much of a burst is queued before it is written, and fanoutEase
// how long clients may take for it that have more than half of what may wait for
// them: those that read have had most of it before the rest follows. A client that
// stays behind slows bursts down to 13 MB/s, and nothing else.
const (
	fanoutBytes = 128 << 10
	fanoutEase  = 10 * time.Millisecond
)

func newFanout(w *outbox.Writers, deliver func(outbox.Batch, accepted)) *fanout {
	f := &fanout{deliver: deliver, writers: w}
	f.work.L, f.room.L = &f.mu, &f.mu
	return f
}

// add takes what was accepted of a batch. The caller leads the commits, so that
// they come in order. If it may, and no other goroutine leads the fan-out, it leads
// that, too: it must call lead.
func (f *fanout) add(batch []ticket, may bool) (leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range batch {
		if t := &batch[i]; t.fate == fateStored || t.fate == fateRelayed {
			f.waiting = append(f.waiting, accepted{t.from, t.chain, t.e, t.serial, t.replay})
			f.bytes += t.cost()
			f.added++
		}
	}
	if len(f.waiting) == 0 || f.leading {
		return false
	}
	if may {
		f.leading = true
		return true
	}
	f.work.Signal()
	return false
}

// lead delivers what waits. Only the goroutine that holds leading may call it; when
// lead returns it no longer does.
func (f *fanout) lead() {
	f.mu.Lock()
	list, bytes := f.waiting, f.bytes
	f.waiting = f.spare[:0]
	f.mu.Unlock()
	f.room.Broadcast()
	b, queued := f.writers.Batch(), 0
	for i := range list {
		f.deliver(b, list[i])
		if queued += len(list[i].e.Raw); queued >= fanoutBytes {
			b.Done()
			b.Ease(fanoutEase)
			queued = 0
		}
	}
	b.Done()
	b.Ease(0)
	clear(list)
	f.mu.Lock()
	f.spare = list
	f.leading = false
	f.bytes -= bytes
	f.done += uint64(len(list))
	more := len(f.waiting) > 0 || f.closed
	f.mu.Unlock()
	f.room.Broadcast()
	if more {
		f.work.Signal()
	}
}

// run leads for what no other goroutine does, until close was called and all is
// done.
func (f *fanout) run() {
	for {
		f.mu.Lock()
		for f.leading || len(f.waiting) == 0 && !f.closed {
			f.work.Wait()
		}
		if len(f.waiting) == 0 {
			f.mu.Unlock()
			return
		}
		f.leading = true
		f.mu.Unlock()
		f.lead()
	}
}

// full reports that so many events wait that no more should be committed.
func (f *fanout) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fullLocked()
}

func (f *fanout) fullLocked() bool {
	return len(f.waiting) >= maxFanout || f.bytes >= maxFanoutBytes
}

// makeRoom waits until it is not full.
func (f *fanout) makeRoom() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.fullLocked() {
		f.room.Wait()
	}
}

// flush waits until all that was added before is delivered.
func (f *fanout) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for until := f.added; f.done < until; {
		f.room.Wait()
	}
}

// close lets run end. Nothing is added any more.
func (f *fanout) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.work.Signal()
}

// accepted is an event that was accepted, on its way to the live subscriptions.
type accepted struct {
	from   policy.Client
	chain  *policy.Chain
	e      *event.Event
	serial store.Serial // 0: not stored
	replay bool
}
