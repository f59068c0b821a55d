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
// A slot is held for a piece of work, never while waiting for anything else.
type slots struct {
	most int // fixed once made; 0: no bound

	mu   sync.Mutex // guards the following
	busy int
	line fifo.Queue[waiter]
}

// waiter waits for a slot: a scheduler, that has jobs of the address in line, or
// a goroutine.
type waiter struct {
	scheduler *scheduler
	free      chan struct{} // closed with the slot handed over
}

// slotsOfOne is how many slots one address has.
func slotsOfOne() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// take takes a slot. It waits for one.
func (s *slots) take() {
	if s.most == 0 {
		return
	}
	s.mu.Lock()
	if s.busy < s.most {
		s.busy++
		s.mu.Unlock()
		return
	}
	w := waiter{free: make(chan struct{})}
	s.line.Push(w)
	s.mu.Unlock()
	<-w.free
}

// try takes a slot for a scheduler. False: there is none, and the scheduler is
// granted one later.
func (s *slots) try(by *scheduler) bool {
	if s.most == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy < s.most {
		s.busy++
		return true
	}
	s.line.Push(waiter{scheduler: by})
	return false
}

// giveSlot hands a slot on to the one that has waited longest. None is free as
// long as one waits.
func (a *payer) giveSlot() {
	s := &a.slots
	for s.most > 0 {
		s.mu.Lock()
		if s.line.Len() == 0 {
			s.busy--
			s.mu.Unlock()
			return
		}
		next := s.line.Pop()
		s.mu.Unlock()
		if next.scheduler == nil {
			close(next.free)
			return
		}
		if next.scheduler.grant(a) {
			return
		}
	}
}
