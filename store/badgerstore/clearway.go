package badgerstore

import (
	"context"

	"moa/nips/event"
	"moa/store"
)

// What an operator removes, and what expires, no event tells of. Where it was in the
// way of something that was stored all the same it was gone by then: the same event,
// or a newer version of its address. What was removed and is in nothing's way goes
// last (sift).

// clearWay removes what must have been gone when n came, which holds e.
func (p *repairer) clearWay(w *writer, e *event.Event, n *stored) error {
	same, err := w.at(idKey(e.ID))
	if err == nil && same.value != nil {
		err = w.dropRoomy(same)
	}
	a, ok := store.AddressOf(e)
	if err != nil || !ok {
		return err
	}
	key := addressKey(keyLatest, a)
	old, err := w.at(key)
	if err == nil && old.value != nil && (p.left[old.tail] || old.tail.compare(&n.tail) < 0) {
		err = w.dropRoomy(old)
	}
	if err != nil {
		return err
	}
	return w.lowerBar(barKey(key), e)
}

// lowerBar lowers a bar that would have kept e out: it is that of a version that was
// removed and not replaced, though no note says so. How low it was is not known: all that
// is older than e stays out.
func (w *writer) lowerBar(key []byte, e *event.Event) error {
	bar, ok, err := w.tail(key)
	if err != nil || !ok {
		return err
	}
	if t := makeTail(e, bar.serial()); bar.compare(&t) > 0 {
		return nil
	}
	bar = makeTail(e, ^store.Serial(0)).next()
	w.set(key, bar[:])
	return nil
}

// readLeft reads which versions left their addresses.
func (p *repairer) readLeft(ctx context.Context) error {
	p.left = map[tail]bool{}
	_, err := readNotes(p.o.Dir, func(n noted) error {
		if t, ok := n.left(); ok {
			p.left[t] = true
		}
		return ctx.Err()
	})
	return err
}
