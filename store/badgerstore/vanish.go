package badgerstore

import (
	"moa/nips/event"
	"moa/store"
)

// A request to vanish (NIP-62) removes everything of its author. From its commit
// on, nothing of that is found, and nothing of it is taken again. What there is
// is removed chunk by chunk: the first ones with the commit, so that the request
// of an author of few events is done with it, and the rest behind it,
// between other commits, which wait for one chunk at most. Until then a job key
// stands for what is left (jobs.go).

// vanish is what a request to vanish asks for.
type vanish struct {
	// Fixed once made.
	by     event.PubKey
	until  int64
	id     event.ID // of the request, which stays
	serial store.Serial

	// Guarded by Store.write.
	wraps bool // the author's own events are done
	from  tail // what is left of the list at hand
}

func newVanish(e *event.Event, self *tail) *vanish {
	r := &vanish{by: e.PubKey, until: e.CreatedAt, id: e.ID, serial: self.serial()}
	r.restart()
	return r
}

func (r *vanish) author() event.PubKey { return r.by }
func (r *vanish) job() store.Serial    { return r.serial }
func (r *vanish) restart()             { r.wraps, r.from = false, firstTail(r.until) }

// dooms reports whether the event is to go.
func (r *vanish) dooms(v value) bool {
	return v.created() <= r.until && *v.id() != r.id && (*v.pk() == r.by || wrapFor(v, r.by))
}

// doomsUnread reports it of an event of which there is only its key in the list
// at hand.
func (r *vanish) doomsUnread(t *tail) bool {
	return t.created() <= r.until && t.serial() != r.serial && (!r.wraps || store.GiftWrap(t.kind()))
}

// step removes one chunk. What the writer holds so far must have been sealed,
// but for what steps have written: the keys are read from outside of it. Deletions
// of the author's that are under way come first: their kind 5 events go, too.
func (r *vanish) step(w *writer) (done bool, err error) {
	for _, d := range w.s.requests.hidden()[r.by].deletions {
		if d.left() > 0 {
			_, err := w.step(d)
			return false, err
		}
	}
	list := appendAuthor(nil, r.by)
	if r.wraps {
		list = tagPrefix(recipientEntry(r.by))
	}
	size := w.s.limits.chunk
	tails, err := w.s.readTails(list, r.from, size)
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
	case len(tails) == size:
		r.from = tails[size-1].next()
	case r.wraps:
		return true, nil
	default:
		r.wraps, r.from = true, firstTail(r.until)
	}
	return false, nil
}

// vanish does what the kind 62 event e at t asks for.
func (w *writer) vanish(e *event.Event, t *tail) error {
	w.mark(vanishedKey(e.PubKey), appendTime(nil, e.CreatedAt))
	w.set(jobKey(t.serial()), append([]byte{jobAsked}, t[:]...))
	if err := w.seal(); err != nil {
		return err
	}
	r := newVanish(e, t)
	for range w.s.limits.inlineSteps {
		done, err := w.step(r)
		if err != nil {
			return err
		}
		if done {
			w.del(jobKey(r.serial))
			return nil
		}
	}
	w.s.beginRequest(r)
	w.s.recent.clear() // what is hidden is not there for Has either
	return nil
}
