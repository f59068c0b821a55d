package relay

import (
	"sync"
	"sync/atomic"
	"testing"

	"moa/nips/testwait"
	"moa/relay/outbox"
	"moa/relay/shares"
)

// gated is a job whose step waits.
type gated struct {
	of      *payer
	running *atomic.Int32
	gate    chan struct{}
	done    func()
}

func (g *gated) payer() *payer { return g.of }

func (g *gated) step(outbox.Batch) bool {
	g.running.Add(1)
	<-g.gate
	g.running.Add(-1)
	g.done()
	return false
}

// However many workers there are and in how many lanes: no more of them work for
// one address than it has slots, and the others are there for all others.
func TestAnAddressHasSoManySlots(t *testing.T) {
	one, other := &payer{slots: slots[*scheduler]{most: 2}}, &payer{slots: slots[*scheduler]{most: 2}}
	queues := []*scheduler{newScheduler(queryLane, outbox.NewWriters(outbox.Options{})), newScheduler(countLane, outbox.NewWriters(outbox.Options{}))}
	var workers, all sync.WaitGroup
	for _, s := range queues {
		for range 4 {
			workers.Go(s.run)
		}
	}
	var its, others atomic.Int32
	gate := make(chan struct{})
	for i := range 20 {
		all.Add(1)
		queues[i%2].put(&gated{one, &its, gate, all.Done})
	}
	for range 20 {
		all.Go(func() {
			one.slots.take()
			its.Add(1)
			<-gate
			its.Add(-1)
			one.giveSlot()
		})
	}
	testwait.Eventually(t, "two work for the address", func() bool { return its.Load() == 2 })
	free := make(chan struct{})
	for i := range 2 {
		all.Add(1)
		queues[i].put(&gated{other, &others, free, all.Done})
	}
	testwait.Eventually(t, "another address has its own", func() bool { return others.Load() == 2 })
	close(free)
	for range 40 {
		if n := its.Load(); n > 2 {
			t.Fatalf("%d work for an address of two slots", n)
		}
		gate <- struct{}{}
	}
	all.Wait()
	testwait.Eventually(t, "all slots are free", func() bool {
		one.slots.mu.Lock()
		defer one.slots.mu.Unlock()
		return one.slots.busy == 0 && one.slots.queue.Len() == 0
	})
	for _, s := range queues {
		s.close()
	}
	workers.Wait()
}

// A scheduler that is closed keeps no slot from those that still wait.
func TestAClosedSchedulerKeepsNoSlot(t *testing.T) {
	a := &payer{slots: slots[*scheduler]{most: 1}}
	granted, closed := newScheduler(queryLane, outbox.NewWriters(outbox.Options{})), newScheduler(countLane, outbox.NewWriters(outbox.Options{})) // without workers
	var running atomic.Int32
	a.slots.take()
	for _, s := range []*scheduler{granted, closed} {
		s.put(&gated{a, &running, nil, func() {}})
		s.mu.Lock()
		if s.popLocked() != nil {
			t.Fatal("a job has a second slot of one")
		}
		s.mu.Unlock()
	}
	taken := make(chan struct{})
	go func() {
		a.slots.take()
		close(taken)
	}()
	testwait.Eventually(t, "three wait", func() bool {
		a.slots.mu.Lock()
		defer a.slots.mu.Unlock()
		return a.slots.queue.Len() == 3
	})
	closed.close()
	a.giveSlot() // to granted
	granted.close()
	<-taken
	a.giveSlot()
	if a.slots.busy != 0 {
		t.Error("a slot is lost")
	}
}

// Slots that become free one soon after the other are all used, and so are the
// workers, as long as there are jobs.
func TestEachFreeSlotIsUsed(t *testing.T) {
	a, other := &payer{slots: slots[*scheduler]{most: 2}}, &payer{}
	s := newScheduler(queryLane, outbox.NewWriters(outbox.Options{}))
	a.slots.take()
	a.slots.take()
	var running atomic.Int32
	var all sync.WaitGroup
	gate := make(chan struct{})
	job := func(of *payer) *gated {
		all.Add(1)
		return &gated{of, &running, gate, all.Done}
	}
	s.put(job(a))
	s.put(job(a))
	s.put(job(a))
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(s.run)
	}
	testwait.Eventually(t, "it waits for a slot", func() bool {
		a.slots.mu.Lock()
		defer a.slots.mu.Unlock()
		return a.slots.queue.Len() == 1
	})
	a.giveSlot()
	a.giveSlot()
	testwait.Eventually(t, "both slots are in use", func() bool { return running.Load() == 2 })
	s.put(job(other))
	testwait.Eventually(t, "the third worker works for another address", func() bool { return running.Load() == 3 })
	close(gate)
	all.Wait()
	s.close()
	workers.Wait()
}

// A message that has panicked keeps no slot: the address has no more than those.
func TestAPanicKeepsNoSlot(t *testing.T) {
	a := newAccount(shares.NewLedger(nil), accountKey{})
	s := &session{client: client{shared: new(shared), account: a}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it has not panicked")
			}
		}()
		_, _ = s.compare(new(settings), nil, nil)
	}()
	if a.slots.busy != 0 {
		t.Error("a slot is lost")
	}
}
