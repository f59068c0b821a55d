package relay

import "sync"

// job is a connection's reading work: its queries, one page at a time.
type job interface {
	// step does one page. It reports whether there is more that can be done now.
	step() (more bool)
	// payer is the address that the work is for.
	payer() *account
}

// scheduler runs the steps of many jobs on a few workers, round-robin by address
// and among the jobs of each: who asks for much, on however many connections,
// waits in line after each page like everybody else. Between two steps a job
// holds no worker, no transaction and no lock.
type scheduler struct {
	after func() // called after each step; nil: nothing. Fixed before run
	nth   int    // of an account's lanes

	mu     sync.Mutex // guards the following, and that lane of all accounts
	work   sync.Cond
	line   ring[*account] // those that have jobs in their lane
	closed bool
}

// The schedulers there are, by their lane.
const (
	queryLane = iota
	countLane
	syncLane
	lanes
)

// lane is the jobs of one address that are in line.
type lane = ring[job]

func newScheduler(nth int) *scheduler {
	s := &scheduler{nth: nth}
	s.work.L = &s.mu
	return s
}

// put lines a job up. The caller makes sure that no job is in line twice.
func (s *scheduler) put(j job) {
	a := j.payer()
	s.mu.Lock()
	l := &a.lanes[s.nth]
	if l.push(j); l.len() == 1 {
		s.line.push(a)
	}
	s.mu.Unlock()
	s.work.Signal()
}

// popLocked takes the next job out of the line.
func (s *scheduler) popLocked() job {
	a := s.line.pop()
	l := &a.lanes[s.nth]
	j := l.pop()
	if l.len() > 0 {
		s.line.push(a)
	}
	return j
}

// run is one worker. It ends after close.
func (s *scheduler) run() {
	for {
		s.mu.Lock()
		for s.line.len() == 0 && !s.closed {
			s.work.Wait()
		}
		if s.closed {
			s.mu.Unlock()
			return
		}
		j := s.popLocked()
		s.mu.Unlock()
		if j.step() {
			s.put(j)
		}
		if s.after != nil {
			s.after()
		}
	}
}

// close ends the workers; what is still in line is dropped.
func (s *scheduler) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.work.Broadcast()
}

// ring is a queue that reuses its memory.
type ring[T any] struct {
	buf  []T
	head int
	n    int
}

func (r *ring[T]) len() int { return r.n }

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		grown := make([]T, max(4, 2*len(r.buf)))
		k := copy(grown, r.buf[r.head:])
		copy(grown[k:], r.buf[:r.head])
		r.buf, r.head = grown, 0
	}
	r.buf[(r.head+r.n)%len(r.buf)] = v
	r.n++
}

func (r *ring[T]) pop() T {
	var zero T
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.head = (r.head + 1) % len(r.buf)
	r.n--
	return v
}
