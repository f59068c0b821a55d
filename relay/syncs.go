package relay

import (
	"context"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"slices"
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

// syncs are those that are open on a connection. The first that is not complete
// has its turn until it is: that its events are soon given back makes room for the
// others.
type syncs struct {
	c *client

	// turns.mu is held while anything of a sync is queued for the client,
	// so that nothing follows its end. It guards the following, too.
	turns[*syncing]
	list  []*syncing
	ended int // so many have ended, and have given their events back
}

func newSyncs(c *client) *syncs {
	b := &syncs{c: c}
	b.workers, b.of, b.pages = c.syncWorkers, &c.account.payer, b
	return b
}

// syncPage bounds what a worker gathers before it is the next one's turn: of
// Work, about 10 ms.
var syncPage = store.Page{Events: 1024, Work: 2048}

var (
	errTooMany = errors.New("relay: more events than one sync may have")
	errShare   = errors.New("relay: more events than the syncs of one address may have")
	errNoRoom  = errors.New("relay: more events than all syncs may have")
)

// find returns the open sync of that id, or nil.
func (b *syncs) find(id string) *syncing {
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
func (b *syncs) add(r *syncing) {
	b.c.met.syncs.Inc()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, r)
	b.addLocked(r)
}

// hear notes that the client has said something. A client that says nothing, or the
// same again, counts as silent. False: it is not its turn.
func (b *syncs) hear(r *syncing, message []byte) bool {
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
func (b *syncs) answer(r *syncing, asked, message []byte) {
	text := hex.EncodeToString(message)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !r.over.Load() {
		b.c.met.syncSent.Add(float64(len(message)))
		head := make([]byte, 0, len(text)+len(r.id)+len(`["NEG-MSG","",""]`))
		b.c.out.Offer(ws.Msg{Head: wire.AppendNegMsg(head, r.id, text)})
		if nip77.Final(asked, message) {
			b.endLocked(r)
		}
	}
}

// fail ends r from this side.
func (b *syncs) fail(r *syncing, why reason.Reason, text string, most int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failLocked(r, why, text, most)
}

func (b *syncs) failLocked(r *syncing, why reason.Reason, text string, most int) {
	if b.endLocked(r) {
		b.c.negErr(r.id, why, text, most)
	}
}

// lose ends r, which the client may not read any more.
func (b *syncs) lose(r *syncing, why policy.Verdict) {
	if why.Reason == reason.AuthRequired {
		b.c.RequestAuth()
	}
	b.fail(r, why.Reason, why.Text, 0)
}

// review ends those that are not allowed any more.
func (b *syncs) review(st *settings) {
	b.mu.Lock()
	list := slices.Clone(b.list)
	b.mu.Unlock()
	for _, r := range list {
		if why := r.right.refused(b.c, st); why.Action == policy.Reject {
			b.lose(r, why)
		}
	}
}

// remove ends r: when it returns, nothing of it is queued any more.
func (b *syncs) remove(r *syncing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endLocked(r)
}

func (b *syncs) endLocked(r *syncing) bool {
	i := slices.Index(b.list, r)
	if i < 0 {
		return false
	}
	b.list = slices.Delete(b.list, i, i+1)
	b.removeLocked(r)
	b.ended++
	r.over.Store(true)
	b.releaseLocked(r)
	b.c.releaseFilters(r.bytes)
	r.bytes = 0
	b.c.met.syncs.Dec()
	b.unparkLocked()
	return true
}

// releaseLocked gives back r's events.
func (b *syncs) releaseLocked(r *syncing) {
	b.c.account.Give(shares.Syncs, r.held)
	b.c.met.syncEvents.Sub(float64(r.held))
	r.held = 0
}

// unparkLocked lets those go on that wait for room, in their order.
func (b *syncs) unparkLocked() {
	b.next = b.next[:0]
	for _, r := range b.list {
		r.parked = false
		if !r.ready {
			b.next = append(b.next, r)
		}
	}
	b.queueLocked()
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
	b.c.syncSweeper.leave(b)
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.list) > 0 {
		b.endLocked(b.list[0])
	}
}

// page reads the next page of r's events, and after the last one answers the
// NEG-OPEN. It reports whether r needs no more turns.
func (b *syncs) page(r *syncing, _ outbox.Batch) (done bool) {
	if b.c.gone() {
		b.remove(r)
		return true
	}
	b.mu.Lock()
	ended := b.ended
	b.mu.Unlock()
	b.read(r, ended)
	b.mu.Lock()
	defer b.mu.Unlock()
	return r.ready // one that is parked is out already, or in again
}

// room: an answer needs none, as each is asked for.
func (b *syncs) room(func()) bool { return true }

// read is page. When it begins, so many syncs have ended.
func (b *syncs) read(r *syncing, ended int) {
	if r.scan == nil {
		r.scan = r.begin()
	}
	n := 0
	progress, err := r.scan.Next(b.c.life, syncPage, func(found *store.Record) error {
		switch {
		case r.over.Load():
			return errOver
		case r.set.Len() == r.most:
			return errTooMany
		}
		switch b.c.account.Take(shares.Syncs, 1) {
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
		answer, err = r.set.Answer(r.message, b.c.frame(b.c.settings.Load()))
		r.scan, r.message = nil, nil
	}
	if !b.gathered(r, n, ended, done, err) {
		return
	}
	b.c.met.gathers.Observe(time.Since(r.start).Seconds())
	if why := r.right.lost(b.c); why.Action == policy.Reject {
		b.lose(r, why)
		return
	}
	b.answer(r, asked, answer)
}

// gathered takes n more events into account. True: there are no more, and r is
// still open.
func (b *syncs) gathered(r *syncing, n, ended int, done bool, err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.over.Load() {
		b.c.account.Give(shares.Syncs, n)
		return false
	}
	r.held += n
	b.c.met.syncEvents.Add(float64(n))
	switch err {
	case nil:
		if done {
			r.ready, r.heard = true, time.Now()
			b.c.releaseFilters(r.bytes)
			r.bytes, r.begin = 0, nil
		}
		return done
	case errShare, errNoRoom:
		b.parkLocked(r, ended, err)
	case errTooMany:
		b.failLocked(r, reason.Blocked, "the filter finds too many events to sync at once, narrow it", r.most)
	default:
		if !errors.Is(err, context.Canceled) {
			b.c.log.Error("stored events cannot be read", "err", err)
		}
		b.failLocked(r, reason.Error, "the relay cannot read its store at the moment, try again later", 0)
	}
	return false
}

// parkLocked has r begin anew when another sync of this connection has
// given its events back: at once, if one has done so since r found no room. If
// there is none, r fails.
func (b *syncs) parkLocked(r *syncing, ended int, why error) {
	room := b.ended != ended
	waits := slices.ContainsFunc(b.list, func(other *syncing) bool { return other != r && other.held > 0 })
	switch {
	case room || waits:
		b.releaseLocked(r)
		r.scan, r.set = nil, nip77.Set{}
		if r.parked = !room; r.parked {
			b.removeLocked(r)
		}
	case why == errShare:
		b.failLocked(r, reason.RateLimited, "too many events are being synced from your address, end another sync or narrow the filter", 0)
	default:
		b.failLocked(r, reason.RateLimited, "too many events are being synced on this relay, try again later or narrow the filter", 0)
	}
}
