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
// connections, waits in line after each page like all others. Between two steps a job
// holds no worker, no transaction and no lock.
type scheduler struct {
	// Fixed once made.
	nth     int // of a payer's lanes
	writers *outbox.Writers

	mu     sync.Mutex // guards the following, and that lane of all payers
	work   sync.Cond
	line   fifo.Queue[*payer] // those that have jobs in their lane
	closed bool
}

// The schedulers there are, by their lane.
const (
	queryLane = iota
	countLane
	syncLane
	lanes
)

// payer is one address as schedulers see it: its jobs that are in line, each lane
// guarded by its scheduler's mu.
type payer struct {
	lanes [lanes]fifo.Queue[job]
}

func newScheduler(nth int, w *outbox.Writers) *scheduler {
	s := &scheduler{nth: nth, writers: w}
	s.work.L = &s.mu
	return s
}

// put lines a job up. The caller makes sure that no job is in line twice.
func (s *scheduler) put(j job) {
	a := j.payer()
	s.mu.Lock()
	l := &a.lanes[s.nth]
	if l.Push(j); l.Len() == 1 {
		s.line.Push(a)
	}
	s.mu.Unlock()
	s.work.Signal()
}

// popLocked takes the next job out of the line.
func (s *scheduler) popLocked() job {
	a := s.line.Pop()
	l := &a.lanes[s.nth]
	j := l.Pop()
	if l.Len() > 0 {
		s.line.Push(a)
	}
	return j
}

// run is one worker. It ends after close.
func (s *scheduler) run() {
	for {
		s.mu.Lock()
		for s.line.Len() == 0 && !s.closed {
			s.work.Wait()
		}
		if s.closed {
			s.mu.Unlock()
			return
		}
		j := s.popLocked()
		s.mu.Unlock()
		b := s.writers.Batch()
		if j.step(b) {
			s.put(j)
		}
		b.Done()
	}
}

// close ends the workers; what is still in line is dropped.
func (s *scheduler) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.work.Broadcast()
}
