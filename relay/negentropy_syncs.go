package relay

import (
	"context"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"moa/nips/nip77"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay/outbox"
	"moa/relay/shares"
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
	ended int  // so many have ended, and have given their events back
}

// syncPage bounds what a worker gathers before it is the next one's turn: of
// Work, about 10 ms.
var syncPage = store.Page{Events: 1024, Work: 2048}

var (
	errTooMany = errors.New("relay: more events than one sync may have")
	errShare   = errors.New("relay: more events than the syncs of one address may have")
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

// hear notes that the client has said something. Who says nothing, or the same
// again, counts as silent. False: it is not its turn.
func (b *syncs) hear(r *reconciliation, message []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if hash := maphash.Bytes(messageSeed, message); len(message) > 1 && hash != r.last {
		r.heard, r.last = time.Now(), hash
	}
	return r.ready
}

var messageSeed = maphash.MakeSeed()

// answer sends a message, unless r has ended. If it leaves nothing to ask, r ends
// here: many clients say nothing more.
func (b *syncs) answer(r *reconciliation, asked, message []byte) {
	text := hex.EncodeToString(message)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !r.over.Load() {
		b.s.srv.met.syncSent.Add(float64(len(message)))
		head := make([]byte, 0, len(text)+len(r.id)+len(`["NEG-MSG","",""]`))
		b.s.out.Offer(ws.Msg{Head: wire.AppendNegMsg(head, r.id, text)})
		if nip77.Final(asked, message) {
			b.endLocked(r)
		}
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
	b.ended++
	r.over.Store(true)
	b.giveBackLocked(r)
	b.s.dropFilters(r.bytes)
	r.bytes = 0
	b.s.srv.met.syncs.Dec()
	b.unparkLocked()
	return true
}

// giveBackLocked gives back r's events.
func (b *syncs) giveBackLocked(r *reconciliation) {
	b.s.account.Give(shares.Syncs, r.held)
	b.s.srv.met.syncEvents.Sub(float64(r.held))
	r.held = 0
}

// unparkLocked lets those go on that wait for room.
func (b *syncs) unparkLocked() {
	wake := false
	for _, r := range b.list {
		wake = wake || r.parked
		r.parked = false
	}
	if wake && !b.lined {
		b.lined = true
		b.s.srv.syncing.workers.put(b)
	}
}

// expire ends those whose client has been silent since before, or that begun
// before begun.
func (b *syncs) expire(before, begun time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range slices.Clone(b.list) {
		switch {
		case r.ready && r.heard.Before(before):
			b.failLocked(r, reason.Closed, "nothing new was heard for too long", 0)
		case r.start.Before(begun):
			b.failLocked(r, reason.Closed, "this has taken too long", 0)
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

func (b *syncs) payer() *account { return b.s.account }

// step gathers one page, of the first that is not complete: that its events are
// soon given back makes room for the others.
func (b *syncs) step(outbox.Batch) (more bool) {
	b.mu.Lock()
	i := slices.IndexFunc(b.list, gathering)
	if i < 0 {
		b.lined = false
		b.mu.Unlock()
		return false
	}
	r, ended := b.list[i], b.ended
	b.mu.Unlock()
	b.gather(r, ended)
	return true
}

func gathering(r *reconciliation) bool { return !r.ready && !r.parked }

// gather reads the next page of r's events, and after the last one answers the
// NEG-OPEN. When it begins, so many reconciliations have ended.
func (b *syncs) gather(r *reconciliation, ended int) {
	if r.scan == nil {
		r.scan = r.begin()
	}
	n := 0
	progress, err := r.scan.Next(b.s.srv.life, syncPage, func(found *store.Record) error {
		switch {
		case r.over.Load():
			return errOver
		case r.set.Len() == r.most:
			return errTooMany
		}
		switch b.s.account.Take(shares.Syncs, 1) {
		case shares.Address:
			return errShare
		case shares.All:
			return errNoRoom
		}
		n++
		r.set.Add(found.CreatedAt, found.ID)
		return nil
	})
	done := err == nil && progress.Done
	asked := r.message
	var answer []byte
	if done {
		r.set.Seal()
		answer, err = r.set.Answer(r.message, b.s.frame(b.s.srv.settings.Load()))
		r.scan, r.message = nil, nil
	}
	if !b.gathered(r, n, ended, done, err) {
		return
	}
	b.s.srv.met.gathers.Observe(time.Since(r.start).Seconds())
	if why := r.right.lost(b.s); why.Action == policy.Reject {
		b.lose(r, why)
		return
	}
	b.answer(r, asked, answer)
}

// gathered takes n more events into account. True: there are no more, and r is
// still open.
func (b *syncs) gathered(r *reconciliation, n, ended int, done bool, err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.over.Load() {
		b.s.account.Give(shares.Syncs, n)
		return false
	}
	r.held += n
	b.s.srv.met.syncEvents.Add(float64(n))
	switch err {
	case nil:
		if done {
			r.ready, r.heard = true, time.Now()
			b.s.dropFilters(r.bytes)
			r.bytes, r.begin = 0, nil
		}
		return done
	case errShare, errNoRoom:
		b.parkLocked(r, ended, err)
	case errTooMany:
		b.failLocked(r, reason.Blocked, "the filter finds too many events to sync at once, narrow it", r.most)
	default:
		if !errors.Is(err, context.Canceled) {
			b.s.srv.deps.Log.Error("stored events cannot be read", "err", err)
		}
		b.failLocked(r, reason.Error, "the relay cannot read its store at the moment, try again later", 0)
	}
	return false
}

// parkLocked has r begin anew when another reconciliation of this connection has
// given its events back: at once, if one has done so since r found no room. If
// there is none, r fails.
func (b *syncs) parkLocked(r *reconciliation, ended int, why error) {
	room := b.ended != ended
	waits := slices.ContainsFunc(b.list, func(other *reconciliation) bool { return other != r && other.held > 0 })
	switch {
	case room || waits:
		b.giveBackLocked(r)
		r.scan, r.set, r.parked = nil, nip77.Set{}, !room
	case why == errShare:
		b.failLocked(r, reason.RateLimited, "too many events are being synced from your address, end another sync or narrow the filter", 0)
	default:
		b.failLocked(r, reason.RateLimited, "too many events are being synced on this relay, try again later or narrow the filter", 0)
	}
}
