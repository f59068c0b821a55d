package badgerstore

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"moa/nips/event"
	"moa/store"
)

// A request to vanish (NIP-62) removes everything of its author. From its commit
// on, nothing of that is found, and nothing of it is taken again. What there is
// is removed chunk by chunk: the first ones with the commit, so that a request
// of somebody who has written little is done with it, and the rest behind it,
// between other commits, which wait for one chunk at most. Until then a job key
// stands for what is left (remove.go).

// vanishInline is how many chunks are removed with the commit: one of the
// author's events, and one of gift wraps.
const vanishInline = 2

// removal is a request to vanish under way.
type removal struct {
	// Fixed once made.
	by     event.PubKey
	until  int64
	id     event.ID // of the request, which stays
	serial store.Serial

	// Guarded by Store.write.
	wraps bool // the author's own events are done
	from  tail // what is left of the list at hand
}

func newRemoval(e *event.Event, self *tail) *removal {
	r := &removal{by: e.PubKey, until: e.CreatedAt, id: e.ID, serial: self.serial()}
	r.restart()
	return r
}

func (r *removal) restart() { r.wraps, r.from = false, firstTail(r.until) }

// dooms reports whether the event is to go.
func (r *removal) dooms(v value) bool {
	return v.created() <= r.until && *v.id() != r.id && (*v.pk() == r.by || wrapFor(v, r.by))
}

// doomsUnread reports it of an event of which there is only its key in the list
// at hand.
func (r *removal) doomsUnread(t *tail) bool {
	return t.created() <= r.until && t.serial() != r.serial && (!r.wraps || store.GiftWrap(t.kind()))
}

// step removes one chunk. What the writer holds so far must have been flushed,
// but for what steps have written: the keys are read from outside of it.
func (r *removal) step(w *writer) (done bool, err error) {
	list := appendAuthor(nil, r.by)
	if r.wraps {
		list = tagPrefix(recipientEntry(r.by))
	}
	tails, err := w.s.readTails(list, r.from, chunk)
	if err != nil {
		return false, err
	}
	for i := range tails {
		v, err := w.value(&tails[i])
		if err != nil {
			return false, err
		}
		if v == nil || !v.unread() && !r.dooms(v) || v.unread() && !r.doomsUnread(&tails[i]) {
			continue
		}
		if err := w.dropRoomy(stored{tails[i], v}); err != nil {
			return false, err
		}
	}
	switch {
	case len(tails) == chunk:
		r.from = tails[chunk-1].next()
	case r.wraps:
		return true, nil
	default:
		r.wraps, r.from = true, firstTail(r.until)
	}
	return false, nil
}

// all removes everything, however much.
func (r *removal) all(w *writer) error {
	for {
		if done, err := r.step(w); done || err != nil {
			return err
		}
	}
}

// vanish does what the kind 62 event e at t asks for.
func (w *writer) vanish(e *event.Event, t *tail) error {
	w.mark(vanishedKey(e.PubKey), appendTime(nil, e.CreatedAt))
	w.set(jobKey(t.serial()), append([]byte{jobAsked}, t[:]...))
	if err := w.flush(); err != nil {
		return err
	}
	r := newRemoval(e, t)
	for range vanishInline {
		done, err := r.step(w)
		if err != nil {
			return err
		}
		if done {
			w.del(jobKey(r.serial))
			return nil
		}
	}
	w.s.removals.hide(r)
	w.s.recent.clear() // what is hidden is not there for Has either
	w.s.later(func(ctx context.Context) { w.s.finish(ctx, r) })
	return nil
}

// removalRetry is how long a removal waits after a failed write.
const removalRetry = 10 * time.Second

// finish removes what is left, a chunk a commit.
func (s *Store) finish(ctx context.Context, r *removal) {
	for done := false; !done; {
		err := s.update(s.opt.ReserveMB/2, func(w *writer) (err error) {
			if done, err = r.step(w); done {
				w.del(jobKey(r.serial))
			}
			return err
		})
		if ctx.Err() != nil {
			return // Open goes on
		}
		if err != nil {
			done = false
			r.restart() // nobody knows how much of the chunk is removed
			s.log.Error("a request to vanish is not done yet", "err", err)
			select {
			case <-time.After(removalRetry):
			case <-ctx.Done():
				return
			}
		}
	}
	s.removals.show(r)
}

// hidden is what requests to vanish are to remove and have not removed yet, by
// their authors. It does not change.
type hidden map[event.PubKey]*removal

// has reports whether the event is to be removed.
func (h hidden) has(v value) bool {
	if len(h) == 0 {
		return false
	}
	if r := h[*v.pk()]; r != nil && r.dooms(v) {
		return true
	}
	if store.GiftWrap(v.kind()) {
		for _, r := range h {
			if r.dooms(v) {
				return true
			}
		}
	}
	return false
}

// removals are the requests to vanish under way. The zero removals are none.
type removals struct{ open atomic.Pointer[hidden] }

// hidden is what is hidden now. It is asked for before anything is read: what
// it lacks because it is removed must not be there to be read.
func (r *removals) hidden() hidden {
	if h := r.open.Load(); h != nil {
		return *h
	}
	return nil
}

// hide begins to hide what one is to remove. A later request of the same author
// reaches further, and takes the place of an earlier one.
func (r *removals) hide(one *removal) {
	r.change(func(h hidden) { h[one.by] = one })
}

// show ends it: everything is removed.
func (r *removals) show(one *removal) {
	r.change(func(h hidden) {
		if h[one.by] == one {
			delete(h, one.by)
		}
	})
}

func (r *removals) change(do func(hidden)) {
	for {
		old := r.open.Load()
		h := hidden{}
		if old != nil {
			maps.Copy(h, *old)
		}
		do(h)
		if r.open.CompareAndSwap(old, &h) {
			return
		}
	}
}
