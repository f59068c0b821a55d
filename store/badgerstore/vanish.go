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
		if v == nil || !r.dooms(v) {
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
		if err != nil {
			done = false
			r.restart() // nobody knows how much of the chunk is removed
			s.log.Error("a request to vanish is not done yet", "err", err)
			select {
			case <-time.After(removalRetry):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return // Open goes on
		}
	}
	s.removals.show(r)
}

// removals are the requests to vanish under way: what they have not removed yet
// is not shown. The zero removals are none.
type removals struct {
	open atomic.Pointer[map[event.PubKey]*removal] // not changed once it is here; nil: none
}

// hide begins to hide what r is to remove. A later request of the same author
// reaches further, and takes the place of an earlier one.
func (h *removals) hide(r *removal) {
	h.change(func(open map[event.PubKey]*removal) { open[r.by] = r })
}

// show ends it: everything is removed.
func (h *removals) show(r *removal) {
	h.change(func(open map[event.PubKey]*removal) {
		if open[r.by] == r {
			delete(open, r.by)
		}
	})
}

func (h *removals) change(do func(map[event.PubKey]*removal)) {
	for {
		old := h.open.Load()
		open := map[event.PubKey]*removal{}
		if old != nil {
			maps.Copy(open, *old)
		}
		do(open)
		next := &open
		if len(open) == 0 {
			next = nil
		}
		if h.open.CompareAndSwap(old, next) {
			return
		}
	}
}

// any reports whether something may be hidden.
func (h *removals) any() bool { return h.open.Load() != nil }

// dooms reports whether an event that is stored is to be removed.
func (h *removals) dooms(e *event.Event) bool {
	if !h.any() {
		return false
	}
	return h.hides(makeValue(e))
}

// hides reports whether the event is to be removed.
func (h *removals) hides(v value) bool {
	open := h.open.Load()
	if open == nil {
		return false
	}
	if r := (*open)[*v.pk()]; r != nil && r.dooms(v) {
		return true
	}
	if store.GiftWrap(v.kind()) {
		for _, r := range *open {
			if r.dooms(v) {
				return true
			}
		}
	}
	return false
}
