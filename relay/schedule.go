package relay

import "sync"

// job is a connection's reading work: its queries, one page at a time.
type job interface {
	// step does one page. It reports whether there is more that can be done now.
	step() (more bool)
}

// scheduler runs the steps of many jobs on a few workers, round-robin: who asks
// for much waits in line after each page like everybody else. Between two
// steps a job holds no worker, no transaction and no lock.
type scheduler struct {
	after func() // called after each step; nil: nothing. Fixed before run

	mu     sync.Mutex // guards the following
	work   sync.Cond
	line   ring[job]
	closed bool
}

func newScheduler() *scheduler {
	s := new(scheduler)
	s.work.L = &s.mu
	return s
}

// put lines a job up. The caller makes sure that no job is in line twice.
func (s *scheduler) put(j job) {
	s.mu.Lock()
	s.line.push(j)
	s.mu.Unlock()
	s.work.Signal()
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
		j := s.line.pop()
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
