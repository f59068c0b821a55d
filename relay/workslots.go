package relay

import (
	"runtime"
	"sync"

	"moa/relay/internal/fifo"
)

// slots bound how many goroutines work for one address at once, whatever they do
// for it and however many connections it has: with half of the processors busy
// for it, the other half is there for all others. What would be one more
// waits, so that its clients' sockets are not read for a while. No client is refused,
// and what is small takes no slot: see heavyMessage.
//
// A slot is held for a piece of work, never while waiting for another slot or for a
// client; a batch of signatures keeps it in the verifier's queue. S is a scheduler,
// which does not wait: it goes on with other addresses.
type slots[S any] struct {
	most int // fixed once made; 0: no bound

	mu    sync.Mutex // guards the following
	busy  int
	queue fifo.Queue[waiter[S]]
}

// waiter waits for a slot: a scheduler, that has jobs of the address in the queue, or
// a goroutine.
type waiter[S any] struct {
	scheduler S
	free      chan struct{} // of a goroutine: closed with the slot handed over
}

// slotsOfOne is how many slots one address has.
func slotsOfOne() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// take takes a slot. It waits for one.
func (s *slots[S]) take() {
	if s.most == 0 {
		return
	}
	s.mu.Lock()
	if s.busy < s.most {
		s.busy++
		s.mu.Unlock()
		return
	}
	w := waiter[S]{free: make(chan struct{})}
	s.queue.Push(w)
	s.mu.Unlock()
	<-w.free
}

// try takes a slot for a scheduler. False: there is none, and the scheduler is
// granted one later.
func (s *slots[S]) try(by S) bool {
	if s.most == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy < s.most {
		s.busy++
		return true
	}
	s.queue.Push(waiter[S]{scheduler: by})
	return false
}

// give hands a slot on to the one that has waited longest, which is reported if it
// is a scheduler. None is free as long as anybody waits.
func (s *slots[S]) give() (to S, ok bool) {
	if s.most == 0 {
		return to, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue.Len() == 0 {
		s.busy--
		return to, false
	}
	next := s.queue.Pop()
	if next.free != nil {
		close(next.free)
		return to, false
	}
	return next.scheduler, true
}
