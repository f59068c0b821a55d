package relay

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay/ws"
	"moa/store"
)

// syncs are a connection's open reconciliations. It is the job that the sync
// workers see: one page of one of them a step, each in turn.
type syncs struct {
	s *session

	// mu is held while anything of a reconciliation is queued for the client, so
	// that nothing follows its end.
	mu    sync.Mutex // guards the following
	list  []*reconciliation
	lined bool // in the scheduler's line, or at work
}

// syncPage bounds what a worker gathers before it is the next one's turn: of
// Work, about 10 ms.
var syncPage = store.Page{Events: 1024, Work: 2048}

var (
	errTooMany = errors.New("relay: more events than one sync may have")
	errNoRoom  = errors.New("relay: more events than all syncs may have")
)

// find returns the open reconciliation of that id, or nil.
func (b *syncs) find(id string) *reconciliation {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.list {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (b *syncs) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.list)
}

// add lets the workers have r.
func (b *syncs) add(r *reconciliation) {
	b.mu.Lock()
	b.list = append(b.list, r)
	wake := !b.lined
	b.lined = true
	b.mu.Unlock()
	b.s.srv.met.syncs.Inc()
	if wake {
		b.s.srv.syncing.workers.put(b)
	}
}

// hear notes that the client has said something. False: it is not its turn.
func (b *syncs) hear(r *reconciliation) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.heard = time.Now()
	return r.ready
}

// answer sends a message, unless r has ended.
func (b *syncs) answer(r *reconciliation, message []byte) {
	text := hex.EncodeToString(message)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !r.over.Load() {
		b.s.srv.met.syncSent.Add(float64(len(message)))
		head := make([]byte, 0, len(text)+len(r.id)+len(`["NEG-MSG","",""]`))
		b.s.out.offer(ws.Msg{Head: wire.AppendNegMsg(head, r.id, text)})
	}
}

// fail ends r from this side.
func (b *syncs) fail(r *reconciliation, why reason.Reason, text string, most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failLocked(r, why, text, most)
}

func (b *syncs) failLocked(r *reconciliation, why reason.Reason, text string, most int) {
	if b.endLocked(r) {
		b.s.negErr(r.id, why, text, most)
	}
}

// lose ends r, which the client may not read any more.
func (b *syncs) lose(r *reconciliation, why policy.Verdict) {
	if why.Reason == reason.AuthRequired {
		b.s.RequestAuth()
	}
	b.fail(r, why.Reason, why.Text, 0)
}

// review ends those that are not allowed any more.
func (b *syncs) review(st *settings) {
	b.mu.Lock()
	list := slices.Clone(b.list)
	b.mu.Unlock()
	for _, r := range list {
		if why := r.right.refused(b.s, st); why.Action == policy.Reject {
			b.lose(r, why)
		}
	}
}

// remove ends r: when it returns, nothing of it is queued any more.
func (b *syncs) remove(r *reconciliation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endLocked(r)
}

func (b *syncs) endLocked(r *reconciliation) bool {
	i := slices.Index(b.list, r)
	if i < 0 {
		return false
	}
	b.list = slices.Delete(b.list, i, i+1)
	r.over.Store(true)
	b.s.srv.syncing.release(r.held)
	b.s.srv.met.syncs.Dec()
	b.s.srv.met.syncEvents.Sub(float64(r.held))
	return true
}

// expire ends those whose client has been silent since before.
func (b *syncs) expire(before time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range slices.Clone(b.list) {
		if r.ready && r.heard.Before(before) {
			b.failLocked(r, reason.Closed, "nothing was heard for too long", 0)
		}
	}
}

// close ends all of them.
func (b *syncs) close() {
	b.s.srv.syncing.leave(b)
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.list) > 0 {
		b.endLocked(b.list[0])
	}
}

// step gathers one page.
func (b *syncs) step() (more bool) {
	b.mu.Lock()
	i := slices.IndexFunc(b.list, gathering)
	if i < 0 {
		b.lined = false
		b.mu.Unlock()
		return false
	}
	r := b.list[i]
	b.list = append(slices.Delete(b.list, i, i+1), r) // behind the others
	b.mu.Unlock()
	b.gather(r)
	return true
}

func gathering(r *reconciliation) bool { return !r.ready }

// gather reads the next page of r's events, and after the last one answers the
// NEG-OPEN.
func (b *syncs) gather(r *reconciliation) {
	all := b.s.srv.syncing
	most := b.s.srv.settings.Load().cfg.Sync.TotalEvents
	n := 0
	progress, err := r.scan.Next(b.s.srv.life, syncPage, func(found *store.Record) error {
		switch {
		case r.over.Load():
			return errOver
		case r.set.Len() == r.most:
			return errTooMany
		case !all.take(most):
			return errNoRoom
		}
		n++
		r.set.Add(found.CreatedAt, found.ID)
		return nil
	})
	done := err == nil && progress.Done
	var answer []byte
	if done {
		r.set.Seal()
		answer, err = r.set.Answer(r.message, b.s.frame(b.s.srv.settings.Load()))
		r.scan, r.message = nil, nil
	}
	if !b.gathered(r, n, done, err) {
		return
	}
	b.s.srv.met.gathers.Observe(time.Since(r.start).Seconds())
	if why := r.right.lost(b.s); why.Action == policy.Reject {
		b.lose(r, why)
		return
	}
	b.answer(r, answer)
}

// gathered takes n more events into account. True: there are no more, and r is
// still open.
func (b *syncs) gathered(r *reconciliation, n int, done bool, err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.over.Load() {
		b.s.srv.syncing.release(n)
		return false
	}
	r.held += n
	b.s.srv.met.syncEvents.Add(float64(n))
	switch err {
	case nil:
		r.ready, r.heard = done, time.Now()
		return done
	case errTooMany:
		b.failLocked(r, reason.Blocked, "the filter finds too many events to sync at once, narrow it", r.most)
	case errNoRoom:
		b.failLocked(r, reason.RateLimited, "too many events are being synced on this relay, try again later or narrow the filter", 0)
	default:
		if !errors.Is(err, context.Canceled) {
			b.s.srv.deps.Log.Error("stored events cannot be read", "err", err)
		}
		b.failLocked(r, reason.Error, "the relay cannot read its store at the moment, try again later", 0)
	}
	return false
}
