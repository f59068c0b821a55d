package relay

import (
	"context"
	"slices"
	"sync"

	"moa/relay/outbox"
)

// turns are questions of one connection that are not answered yet. It is the job
// that a scheduler's workers see: a step does one page of one of them.
type turns[T comparable] struct {
	// Fixed once made.
	workers *scheduler
	of      *payer
	pages   pages[T]
	rotates bool // a page of each; otherwise one after the other

	queued bool       // in the scheduler's queue, at work, or waiting for room; guarded by mu
	mu     sync.Mutex // guards the following, too, and what the owner of the turns says
	next   []T        // with pages left, the one whose turn it is first
	idle   chan struct{}
}

// pages has the questions that take turns.
type pages[T any] interface {
	// page does a page of one. No lock is held.
	page(x T, b outbox.Batch) (done bool)
	// room is Outbox.Room, where a page needs that.
	room(then func()) bool
}

// addLocked lets the workers have x.
func (t *turns[T]) addLocked(x T) {
	t.next = append(t.next, x)
	t.queueLocked()
}

// queueLocked gets in the scheduler's queue.
func (t *turns[T]) queueLocked() {
	if !t.queued && len(t.next) > 0 {
		t.queued = true
		t.workers.put(t)
	}
}

// removeLocked takes x out. A page of it may be under way.
func (t *turns[T]) removeLocked(x T) {
	if i := slices.Index(t.next, x); i >= 0 {
		t.next = slices.Delete(t.next, i, i+1)
		t.tellLocked()
	}
}

func (t *turns[T]) payer() *payer { return t.of }

// step does one page of one question.
func (t *turns[T]) step(b outbox.Batch) (more bool) {
	t.mu.Lock()
	if len(t.next) == 0 {
		t.queued = false
		t.mu.Unlock()
		return false
	}
	x := t.next[0]
	t.mu.Unlock()

	done := t.pages.page(x, b)

	t.mu.Lock()
	if i := slices.Index(t.next, x); i >= 0 && (done || t.rotates) { // not there: it was ended meanwhile
		t.next = slices.Delete(t.next, i, i+1)
		if !done {
			t.next = append(t.next, x)
		} else if len(t.next) == 0 {
			t.next = nil // a connection at rest keeps nothing
		}
	}
	left := len(t.next) > 0
	t.queued = left
	t.tellLocked()
	t.mu.Unlock()
	return left && t.pages.room(t.resume)
}

// resume goes on after there was no room for a page.
func (t *turns[T]) resume() { t.workers.put(t) }

// answered waits until nothing has pages left, or ctx ends.
func (t *turns[T]) answered(ctx context.Context) {
	t.mu.Lock()
	t.idle = make(chan struct{})
	idle := t.idle
	t.tellLocked()
	t.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

func (t *turns[T]) tellLocked() {
	if t.idle != nil && len(t.next) == 0 {
		close(t.idle)
		t.idle = nil
	}
}
