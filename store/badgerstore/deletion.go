package badgerstore

import (
	"slices"
	"strings"

	"moa/nips/event"
	"moa/store"
)

// A kind 5 (NIP-09) deletes the events that it names, and bars them. If they are
// many, they are hidden from its commit on, and are not taken again; the tombstones
// are written, and the events removed, in steps behind it, between other commits.
// Until then a job key stands for what is left (jobs.go).

// deletion is what a kind 5 asks for.
type deletion struct {
	// Fixed once made.
	by     event.PubKey
	until  int64 // what it deletes by address is no newer
	serial store.Serial
	ids    []event.ID // in order
	addrs  []string   // in order: a keyLatest each

	at int // guarded by Store.write: how many of the ids, and then of the addresses, are done
}

func newDeletion(e *event.Event, self *tail) *deletion {
	d := &deletion{by: e.PubKey, until: e.CreatedAt, serial: self.serial()}
	ids, addrs := store.Targets(e)
	d.ids = slices.Clone(ids)
	slices.SortFunc(d.ids, event.CompareIDs)
	d.ids = slices.Compact(d.ids)
	for _, a := range addrs {
		d.addrs = append(d.addrs, string(addressKey(keyLatest, a)))
	}
	slices.Sort(d.addrs)
	d.addrs = slices.Compact(d.addrs)
	return d
}

func (d *deletion) author() event.PubKey { return d.by }
func (d *deletion) job() store.Serial    { return d.serial }
func (d *deletion) restart()             { d.at = 0 }

// size is how many targets it names, and left how many of them are not done.
func (d *deletion) size() int { return len(d.ids) + len(d.addrs) }
func (d *deletion) left() int { return d.size() - d.at }

// dooms reports whether the event is to go.
func (d *deletion) dooms(n *stored) bool {
	if _, ok := slices.BinarySearchFunc(d.ids, *n.id(), event.CompareIDs); ok && mayDelete(d.by, n.value) {
		return true
	}
	if len(d.addrs) == 0 || *n.pk() != d.by || n.created() > d.until {
		return false
	}
	key, err := n.address()
	if err != nil || key == nil {
		return false
	}
	_, ok := slices.BinarySearchFunc(d.addrs, key, func(a string, key []byte) int { return strings.Compare(a, string(key)) })
	return ok
}

// step bars some more targets and removes those that are stored.
func (d *deletion) step(w *writer) (done bool, err error) {
	for ops := int64(0); ops < w.s.limits.stepWrites && d.left() > 0; d.at++ {
		n, err := d.target(w, d.at)
		if err != nil {
			return false, err
		}
		if err := w.room(1+n.ops(), 0); err != nil {
			return false, err
		}
		if err := d.do(w, d.at, n); err != nil {
			return false, err
		}
		ops += 1 + n.ops()
	}
	return d.left() == 0, nil
}

// do bars target i and removes it, if it is stored.
func (d *deletion) do(w *writer, i int, n stored) error {
	if err := d.bar(w, i); err != nil || n.value == nil {
		return err
	}
	return w.remove(n)
}

// target is the stored event that target i names and its author may delete, or none.
func (d *deletion) target(w *writer, i int) (n stored, err error) {
	if i < len(d.ids) {
		return w.deletable(d.by, d.ids[i])
	}
	n, err = w.at([]byte(d.addrs[i-len(d.ids)]))
	if err != nil || n.value == nil || n.tail.created() > d.until {
		return stored{}, err
	}
	return n, nil
}

// bar writes the tombstone of target i.
func (d *deletion) bar(w *writer, i int) error {
	if i < len(d.ids) {
		w.mark(goneKey(d.ids[i], d.by), nil)
		return nil
	}
	key := []byte(d.addrs[i-len(d.ids)])
	key[0] = keyGoneAddr
	old, _, err := w.get(key)
	if err == nil {
		w.mark(key, appendTime(nil, max(d.until, readTime(old))))
	}
	return err
}

// deletion does what the kind 5 event e at t asks for.
func (w *writer) deletion(e *event.Event, t *tail) error {
	d := newDeletion(e, t)
	if d.size() <= w.s.limits.inlineTargets {
		targets, ops, err := d.targets(w)
		if err != nil {
			return err
		}
		if ops <= w.s.limits.inlineWrites {
			return w.deleteFew(d, t, targets, ops)
		}
	}
	if w.s.rebuilding {
		return w.beginJob(d.serial, job{jobAsked, *t}, func() error { return w.finish(d) })
	}
	w.set(jobKey(d.serial), append([]byte{jobAsked}, t[:]...))
	if err := w.seal(); err != nil {
		return err
	}
	w.s.beginRequest(d)
	if w.s.recent.update(nil, d.ids); len(d.addrs) > 0 { // what is hidden is not there for Has either
		w.s.recent.clear()
	}
	return w.payDeletions()
}

// deleteFew does it with the commit: in one frame, if this one has room.
func (w *writer) deleteFew(d *deletion, t *tail, targets []stored, ops int64) error {
	if !w.fits(ops, 0) {
		return w.beginJob(d.serial, job{jobAsked, *t}, func() error { return w.finish(d) })
	}
	for i, n := range targets {
		if err := d.do(w, i, n); err != nil {
			return err
		}
	}
	return nil
}

// targets returns all of them, those that are stored once, and how many writes they
// take.
func (d *deletion) targets(w *writer) (found []stored, ops int64, err error) {
	for i := range d.size() {
		n, err := d.target(w, i)
		if err != nil {
			return nil, 0, err
		}
		if slices.ContainsFunc(found, func(other stored) bool { return other.value != nil && other.tail == n.tail }) {
			n = stored{}
		}
		found = append(found, n)
		ops += 1 + n.ops()
	}
	return found, ops, nil
}

// deletable returns the stored event of that id if by may delete it, or none.
func (w *writer) deletable(by event.PubKey, id event.ID) (n stored, err error) {
	key := idKey(id)
	if w.s.ids.lack(key) {
		return n, nil
	}
	n, err = w.at(key)
	if err != nil || n.value == nil {
		return stored{}, err
	}
	var may bool
	if n.unread() {
		may, err = w.mayDeleteUnread(by, &n.tail)
	} else {
		may = *n.id() == id && mayDelete(by, n.value)
	}
	if err != nil || !may {
		return stored{}, err
	}
	return n, nil
}

// mayDeleteUnread is mayDelete of an event of which there are only its keys.
func (w *writer) mayDeleteUnread(by event.PubKey, t *tail) (bool, error) {
	if !store.Deletable(t.kind()) {
		return false, nil
	}
	own, err := w.exists(append(appendAuthor(nil, by), t[:]...))
	if err != nil || own || !store.GiftWrap(t.kind()) {
		return own, err
	}
	return w.exists(append(tagPrefix(recipientEntry(by)), t[:]...))
}

// mayDelete reports whether by may delete the event by its id.
func mayDelete(by event.PubKey, v value) bool {
	return store.Deletable(v.kind()) && (*v.pk() == by || wrapFor(v, by))
}

// wrapFor reports a gift wrap for that recipient.
func wrapFor(v value, to event.PubKey) bool {
	if !store.GiftWrap(v.kind()) {
		return false
	}
	p := tagMatcher{letter: 'p', entries: [][]byte{recipientEntry(to)}}
	return p.matches(v)
}

func recipientEntry(pk event.PubKey) []byte {
	return append([]byte{'p', classHex}, pk[:]...)
}
