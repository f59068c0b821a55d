package relay

import (
	"sync"

	"moa/relay/internal/fifo"
	"moa/relay/outbox"
)

// job is a connection's reading work: its queries, one page at a time.
type job interface {
	// step does one page, and queues it in the batch. It reports whether there is
	// more that can be done now.
	step(b outbox.Batch) (more bool)
	// payer is the address that the work is for.
	payer() *payer
}

// scheduler runs the steps of many jobs on a few workers, round-robin by address
// and among the jobs of each: a client that asks for much, on however many
// connections, waits in the queue after each page like all others. An address of which as
// much is under way as may be is left out until less is: slots. Between two steps a
// job holds no worker, no slot, no transaction and no lock.
type scheduler struct {
	// Fixed once made.
	nth     int // of a payer's lanes
	writers *outbox.Writers

	mu     sync.Mutex // guards the following, and that lane of all payers
	work   sync.Cond
	queue  fifo.Queue[*payer] // those that have jobs in their lane, and do not wait for a slot
	closed bool
}

// The schedulers there are, by their lane.
const (
	queryLane = iota
	countLane
	syncLane
	lanes
)

// payer is one address as schedulers see it: its jobs that are in the queue, each lane
// guarded by its scheduler's mu.
type payer struct {
	lanes [lanes]lane
	slots slots[*scheduler]
}

type lane struct {
	fifo.Queue[job]
	granted bool // a slot, for the first of them
}

// giveSlot ends a piece of work for the address.
func (a *payer) giveSlot() {
	for {
		if next, ok := a.slots.give(); !ok || next.grant(a) {
			return
		} // else it is closed, and has no use for the slot
	}
}

func newScheduler(nth int, w *outbox.Writers) *scheduler {
	s := &scheduler{nth: nth, writers: w}
	s.work.L = &s.mu
	return s
}

// put puts a job into the queue. The caller makes sure that no job is in the queue twice.
func (s *scheduler) put(j job) {
	a := j.payer()
	s.mu.Lock()
	l := &a.lanes[s.nth]
	if l.Push(j); l.Len() == 1 {
		s.queue.Push(a)
	}
	s.mu.Unlock()
	s.work.Signal()
}

// grant puts an address into the queue again that had no slot, and has one now. False:
// the scheduler is closed.
func (s *scheduler) grant(a *payer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	a.lanes[s.nth].granted = true
	s.queue.Push(a)
	s.work.Signal()
	return true
}

// popLocked takes the next job out of the queue, and a slot for it. nil: there is
// none that may be begun.
func (s *scheduler) popLocked() job {
	for s.queue.Len() > 0 {
		a := s.queue.Pop()
		l := &a.lanes[s.nth]
		if !l.granted && !a.slots.try(s) {
			continue
		}
		l.granted = false
		j := l.Pop()
		if l.Len() > 0 {
			s.queue.Push(a)
		}
		return j
	}
	return nil
}

// next waits for a job. nil: the scheduler is closed.
func (s *scheduler) next() job {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		if j := s.popLocked(); j != nil {
			if s.queue.Len() > 0 { // one may have been woken for nothing when there was no slot
				s.work.Signal()
			}
			return j
		}
		s.work.Wait()
	}
	return nil
}

// run is one worker. It ends after close.
func (s *scheduler) run() {
	for j := s.next(); j != nil; j = s.next() {
		b := s.writers.Batch()
		more := j.step(b)
		j.payer().giveSlot()
		if more {
			s.put(j)
		}
		b.Done()
	}
}

// close ends the workers; what is still in the queue is left.
func (s *scheduler) close() {
	var granted []*payer
	s.mu.Lock()
	s.closed = true
	for s.queue.Len() > 0 {
		if a := s.queue.Pop(); a.lanes[s.nth].granted {
			granted = append(granted, a)
		}
	}
	s.mu.Unlock()
	s.work.Broadcast()
	for _, a := range granted {
		a.giveSlot()
	}
}
