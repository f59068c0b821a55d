package khatru

import (
	"context"
	"fmt"
	"runtime/pprof"
	"sync"
	"time"

	"moa/nips/event"
)

// The backlog's bounds, and how long an EVENT waits for room in it.
const (
	maxBacklog      = 4096
	maxBacklogBytes = 16 << 20
	maxBacklogWait  = 5 * time.Second
)

// saved is an event whose OnEventSaved or OnEphemeralEvent hooks are to run.
type saved struct {
	conn *conn
	e    *event.Event
}

// backlog is saved events whose hooks have not run. One goroutine runs them, in
// the order of the commits; it is there only while there is something to do, and
// close waits for it.
//
// The engine adds to it without waiting, for it does so where all live events
// pass. Full: the next EVENT waits before it is accepted, and is refused after
// maxWait. So a slow hook slows down the clients that publish and no others, and no
// hook is left out. What can be added while it is full is bounded by what the
// engine holds between an event's policies and its fan-out.
type backlog struct {
	run     func(saved) // fixed once made
	maxWait time.Duration

	mu     sync.Mutex // guards the following
	queue  []saved
	n      int // queued or running
	bytes  int
	done   chan struct{} // closed when the goroutine ends; nil: there is none
	room   chan struct{} // closed when there is room again; nil: there is
	stuck  bool          // somebody has waited in vain for this room
	closed bool
}

// add never waits. After close it does nothing.
func (b *backlog) add(s saved) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.queue = append(b.queue, s)
	b.n++
	b.bytes += len(s.e.Raw)
	if b.room == nil && (b.n >= maxBacklog || b.bytes >= maxBacklogBytes) {
		b.room = make(chan struct{})
	}
	if b.done == nil {
		b.done = make(chan struct{})
		go b.work()
	}
}

// hasRoom waits for room. False: there was none in time.
func (b *backlog) hasRoom() bool {
	b.mu.Lock()
	room, stuck := b.room, b.stuck
	b.mu.Unlock()
	if room == nil {
		return true
	}
	if stuck { // a batch of EVENTs must not wait for each of them
		return false
	}
	t := time.NewTimer(b.maxWait)
	defer t.Stop()
	select {
	case <-room:
		return true
	case <-t.C:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stuck = b.room == room
	return !b.stuck
}

// hooksTask is what profiles show of the goroutine, which the fan-out starts.
var hooksTask = pprof.WithLabels(context.Background(), pprof.Labels("task", "khatru hooks"))

func (b *backlog) work() {
	pprof.SetGoroutineLabels(hooksTask)
	for {
		batch := b.take()
		if batch == nil {
			return
		}
		for _, s := range batch {
			b.run(s)
			if !b.ran(s) {
				break
			}
		}
	}
}

func (b *backlog) take() []saved {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch := b.queue
	b.queue = nil
	if len(batch) == 0 || b.closed {
		close(b.done)
		b.done = nil
		return nil
	}
	return batch
}

// ran makes room. False: the rest is to be left.
func (b *backlog) ran(s saved) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n--
	b.bytes -= len(s.e.Raw)
	if b.room != nil && b.n <= maxBacklog/2 && b.bytes <= maxBacklogBytes/2 {
		close(b.room)
		b.room, b.stuck = nil, false
	}
	return !b.closed
}

// close waits until all hooks have run, or until ctx ends; then those that have
// not begun are left out, and the error says how many.
func (b *backlog) close(ctx context.Context) error {
	b.mu.Lock()
	done := b.done
	b.closed = b.closed || done == nil
	b.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return b.close(ctx)
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return fmt.Errorf("khatru: the hooks of %d saved events have not run: %w", b.n, ctx.Err())
}
