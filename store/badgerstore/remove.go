package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
)

// Deletions are done in the frame that stores the event that asks for
// them, if they are few. Otherwise
//
//  1. a job key is written with the event, in one frame,
//  2. the work is done in as many frames as it takes; to do a part of
//     it again does no harm,
//  3. the job key is removed with the last of it.
//
// A job that a crash has interrupted is done again from its start by Open.

// inlineTargets is how many targets of a kind 5 are few.
const inlineTargets = 64

// chunk is how many events a job looks at between two frames at most.
const chunk = 512

// drop drops n, of which something else takes the place.
func (w *writer) drop(n stored) {
	w.del(recordKey(&n.tail))
	if !n.unread() {
		n.keys(&n.tail, w.del)
	}
	w.removed = append(w.removed, n)
}

// deletion does what the kind 5 event e at t asks for (NIP-09).
func (w *writer) deletion(e *event.Event, t *tail) error {
	ids, addrs := store.Targets(e)
	if len(ids)+len(addrs) <= inlineTargets {
		targets, err := w.targets(e, ids, addrs)
		if err != nil {
			return err
		}
		ops := int64(len(ids) + len(addrs))
		for _, n := range targets {
			ops += n.ops()
		}
		if w.fits(ops, 0) {
			return w.delete(e, ids, addrs, targets)
		}
	}
	return w.beginJob(t.serial(), job{jobAsked, *t}, func() error { return w.deletionJob(e) })
}

func (w *writer) deletionJob(e *event.Event) error {
	ids, addrs := store.Targets(e)
	for len(ids)+len(addrs) > 0 {
		i, a := min(len(ids), inlineTargets), min(len(addrs), inlineTargets)
		targets, err := w.targets(e, ids[:i], addrs[:a])
		if err != nil {
			return err
		}
		if err := w.room(int64(i+a), 0); err != nil {
			return err
		}
		if err := w.delete(e, ids[:i], addrs[:a], nil); err != nil {
			return err
		}
		for _, n := range targets {
			if err := w.dropRoomy(n); err != nil {
				return err
			}
		}
		ids, addrs = ids[i:], addrs[a:]
	}
	return nil
}

// dropRoomy removes n after making room for it.
func (w *writer) dropRoomy(n stored) error {
	if err := w.room(n.ops(), 0); err != nil {
		return err
	}
	return w.remove(n)
}

// targets returns the stored events that e may delete.
func (w *writer) targets(e *event.Event, ids []event.ID, addrs []store.Address) (found []stored, err error) {
	seen := map[tail]bool{}
	look := func(key []byte, may func(*stored) (bool, error)) error {
		n, err := w.at(key)
		if err != nil || n.value == nil || seen[n.tail] {
			return err
		}
		ok, err := may(&n)
		if ok {
			seen[n.tail] = true
			found = append(found, n)
		}
		return err
	}
	for _, id := range ids {
		err := look(idKey(id), func(n *stored) (bool, error) {
			if n.unread() {
				return w.mayDeleteUnread(e.PubKey, &n.tail)
			}
			return *n.id() == id && mayDelete(e.PubKey, n.value), nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, a := range addrs {
		err := look(addressKey(keyLatest, a), func(n *stored) (bool, error) { return n.tail.created() <= e.CreatedAt, nil })
		if err != nil {
			return nil, err
		}
	}
	return found, nil
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

// delete writes the tombstones and drops the targets.
func (w *writer) delete(e *event.Event, ids []event.ID, addrs []store.Address, targets []stored) error {
	for _, id := range ids {
		w.mark(goneKey(id, e.PubKey), nil)
	}
	for _, a := range addrs {
		key := addressKey(keyGoneAddr, a)
		old, _, err := w.get(key)
		if err != nil {
			return err
		}
		w.mark(key, appendTime(nil, max(e.CreatedAt, readTime(old))))
	}
	for _, n := range targets {
		if err := w.remove(n); err != nil {
			return err
		}
	}
	return nil
}

// readTails reads up to most tails under prefix, from from on.
func (s *Store) readTails(prefix []byte, from tail, most int) (tails []tail, err error) {
	err = s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix}) // and looks no further for what is not removed
		defer it.Close()
		for it.Seek(append(prefix[:len(prefix):len(prefix)], from[:]...)); len(tails) < most && it.ValidForPrefix(prefix); it.Next() {
			tails = append(tails, tailOf(it.Item().Key()))
		}
		return nil
	})
	return tails, err
}

// beginJob writes the mark of a job, makes it durable with what was written
// before, does the work, and removes the mark with the last of it.
func (w *writer) beginJob(n store.Serial, j job, work func() error) error {
	w.set(jobKey(n), append([]byte{j.op}, j.tail[:]...))
	if err := w.flush(); err != nil {
		return err
	}
	if err := work(); err != nil {
		return err
	}
	w.del(jobKey(n))
	return nil
}

// job is what a job key holds.
type job struct {
	op   byte
	tail tail
}

const (
	jobAsked = 'a' // do what the kind 5 or 62 event asks for
	jobDrop  = 'd' // drop the event
)

// resumeJobs finishes what a crash or a failed write has interrupted.
func (s *Store) resumeJobs() error {
	jobs, err := s.readJobs()
	if err != nil || len(jobs) == 0 {
		return err
	}
	w := s.newWriter()
	defer w.close()
	for n, j := range jobs {
		s.log.Info("finishing an interrupted removal", "serial", n)
		err := w.resume(j)
		if errors.Is(err, errUnreadRequest) { // it stays, and may be done when it can be read again
			s.log.Error("an interrupted removal cannot be finished", "serial", n, "err", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("finish removal %d: %w", n, err)
		}
		w.del(jobKey(n))
		if err := w.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) resume(j job) error {
	v, err := w.value(&j.tail)
	if err != nil || v == nil {
		return err
	}
	if j.op == jobDrop {
		return w.dropRoomy(stored{j.tail, v})
	}
	if v.unread() {
		return w.resumeUnread(&j.tail)
	}
	e, err := event.ParseTrusted(v.raw())
	if err != nil {
		return err
	}
	if e.Kind == event.KindVanish {
		return newRemoval(e, &j.tail).all(w)
	}
	return w.deletionJob(e)
}

var errUnreadRequest = errors.New("the event that asks for it is damaged")

// resumeUnread finishes a request to vanish of which there are only its keys: its
// time stands in its tail, and whose it is is one of those who have vanished up to
// that time.
func (w *writer) resumeUnread(t *tail) error {
	if t.kind() != event.KindVanish {
		return errUnreadRequest
	}
	by, err := w.vanishedBy(t)
	if err != nil {
		return err
	}
	r := &removal{by: by, until: t.created(), serial: t.serial()}
	r.restart()
	return r.all(w)
}

// vanishedBy is the author of the request to vanish at t, as far as keys tell:
// the rest is that of any event of the author's that can be read.
func (w *writer) vanishedBy(t *tail) (by event.PubKey, err error) {
	err = w.s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(keysOnly)
		defer it.Close()
		prefix := []byte{keyVanished}
		for it.Seek(prefix); it.ValidForPrefix(prefix); it.Next() {
			copy(by[:], it.Item().Key()[1:])
			if _, err := txn.Get(append(appendAuthor(nil, by), t[:]...)); !errors.Is(err, badger.ErrKeyNotFound) {
				return err
			}
		}
		return errUnreadRequest
	})
	if err != nil {
		return by, err
	}
	tails, err := w.s.readTails(appendAuthor(nil, by), tail{}, chunk)
	for i := range tails {
		if v, err := w.value(&tails[i]); err == nil && len(v) > 0 {
			return *v.pk(), nil
		}
	}
	return by, err
}

func (s *Store) readJobs() (map[store.Serial]job, error) {
	jobs := map[store.Serial]job{}
	err := s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(keysOnly)
		defer it.Close()
		prefix := []byte{keyJob}
		for it.Seek(prefix); it.ValidForPrefix(prefix); it.Next() {
			key := it.Item().Key()
			b, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			if len(key) != 9 || len(b) != 1+len(tail{}) {
				return fmt.Errorf("key %x: %w", key, errValue)
			}
			jobs[store.Serial(binary.BigEndian.Uint64(key[1:]))] = job{b[0], tail(b[1:])}
		}
		return nil
	})
	return jobs, err
}
