package badgerstore

import (
	"moa/nips/event"
	"moa/store"
)

// refuse returns why e is not to be stored, or 0.
func (w *writer) refuse(now int64, e *event.Event) (store.Outcome, error) {
	if e.Expiration != 0 && e.Expiration <= now {
		return store.Expired, nil
	}
	h := w.s.requests.hidden()
	var n *stored
	if len(h) > 0 {
		n = &stored{makeTail(e, 0), makeValue(e)}
	}
	if dup, err := w.has(e.ID); err != nil || dup && !h.has(n) {
		return store.Duplicate, err
	}
	owners := append(store.Recipients(e), e.PubKey)
	a, addressed := store.AddressOf(e)
	if gone, err := w.deleted(e, owners, a, addressed); err != nil || gone || h.deletes(n) {
		return store.Deleted, err
	}
	for _, by := range owners {
		if gone, err := w.until(vanishedKey(by), e); err != nil || gone {
			return store.Vanished, err
		}
	}
	if !addressed {
		return 0, nil
	}
	if err := w.makeWay(h, a); err != nil {
		return 0, err
	}
	return w.stale(now, e, a)
}

// makeWay removes what the address leads to if it is hidden: it bars nothing.
func (w *writer) makeWay(h hidden, a store.Address) error {
	if len(h) == 0 {
		return nil
	}
	n, err := w.at(addressKey(keyLatest, a))
	if err != nil || len(n.value) == 0 || !h.has(&n) {
		return err
	}
	return w.dropRoomy(n)
}

func (w *writer) has(id event.ID) (bool, error) {
	if w.s.recent.has(id) {
		return w.present(id)
	}
	key := idKey(id)
	if w.s.ids.lack(key) {
		return false, nil
	}
	return w.exists(key)
}

// present tells whether an event that was stored when the frame began
// still is.
func (w *writer) present(id event.ID) (bool, error) {
	if len(w.removed) == 0 {
		return true, nil
	}
	return w.exists(idKey(id))
}

func (w *writer) deleted(e *event.Event, owners []event.PubKey, a store.Address, addressed bool) (bool, error) {
	if store.Deletable(e.Kind) {
		for _, by := range owners {
			key := goneKey(e.ID, by)
			if w.s.tombstones.lacks(key) {
				continue
			}
			if gone, err := w.exists(key); err != nil || gone {
				return gone, err
			}
		}
	}
	if addressed {
		return w.until(addressKey(keyGoneAddr, a), e)
	}
	return false, nil
}

// until reports whether e is no newer than the time that the tombstone holds,
// if it is there.
func (w *writer) until(key []byte, e *event.Event) (bool, error) {
	if w.s.tombstones.lacks(key) {
		return false, nil
	}
	v, ok, err := w.get(key)
	return ok && e.CreatedAt <= readTime(v), err
}

func (w *writer) stale(now int64, e *event.Event, a store.Address) (store.Outcome, error) {
	key := addressKey(keyLatest, a)
	by, ok, err := w.tail(key)
	if err == nil && !ok { // otherwise it is newer than what bars the address
		by, ok, err = w.tail(barKey(key))
	}
	if err != nil || !ok {
		return 0, err
	}
	if t := makeTail(e, by.serial()); by.compare(&t) > 0 {
		return 0, nil
	}
	if gone, err := w.lapse(now, &by); err != nil || !gone {
		return store.Stale, err
	}
	return w.stale(now, e, a) // by what else bars the address
}

// lapse removes the version at t if it has expired, and reports whether it was there:
// nobody is shown it any more, so it bars nothing, also before Expire comes to it.
func (w *writer) lapse(now int64, t *tail) (bool, error) {
	if !t.expires() {
		return false, nil
	}
	v, err := w.value(t)
	if err != nil || len(v) == 0 || v.expires() > now {
		return false, err
	}
	return true, w.leave(stored{*t, v})
}
