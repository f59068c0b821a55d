package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
)

// What an event asks to be removed (NIP-09, NIP-62) is removed in the frame that
// stores it, if that is little. Otherwise
//
//  1. a job key is written with the event, in one frame,
//  2. the work is done in steps, in as many frames as it takes; to do a part of
//     it again does no harm,
//  3. the job key is removed with the last of it.
//
// A job that a crash has interrupted is done again from its start by Open.

// limits say how much is removed at once.
type limits struct {
	inlineTargets int   // of a kind 5, with its commit
	inlineWrites  int64 // that this takes
	inlineSteps   int   // of a request to vanish, with its commit
	stepWrites    int64 // of a step of a kind 5, about
	chunk         int   // events that a step of a request to vanish looks at
}

// usualLimits remove with the commit what is little: of a request to vanish, one
// chunk of the author's events and one of gift wraps.
var usualLimits = limits{inlineTargets: 64, inlineWrites: 2048, inlineSteps: 2, stepWrites: 2048, chunk: chunk}

// chunk is how many events are looked at between two frames at most.
const chunk = 512

// drop drops n, of which something else takes the place.
func (w *writer) drop(n stored) {
	w.del(recordKey(&n.tail))
	if !n.unread() {
		n.keys(&n.tail, w.del)
	}
	w.removed = append(w.removed, n)
}

// dropRoomy removes n after making room for it.
func (w *writer) dropRoomy(n stored) error {
	if err := w.room(n.ops(), 0); err != nil {
		return err
	}
	return w.remove(n)
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
	if err := w.seal(); err != nil {
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

// dropped is set in the number of a job that drops an event once the event's own job
// is done: such a one comes last.
const dropped store.Serial = 1 << 63

// resumeJobs finishes what a crash or a failed write has interrupted, but for what
// is under way.
func (s *Store) resumeJobs() error {
	jobs, err := s.readJobs()
	if err != nil || len(jobs) == 0 {
		return err
	}
	w := s.newWriter()
	defer w.close()
	for _, n := range slices.Sorted(maps.Keys(jobs)) { // a request to vanish may remove the kind 5 of one before
		if s.requests.of(n&^dropped) != nil {
			continue
		}
		j := jobs[n]
		s.log.Info("finishing an interrupted job", "serial", n)
		err := w.resume(j)
		if errors.Is(err, errUnreadRequest) { // it stays, and may be done when it can be read again
			s.log.Error("an interrupted job cannot be finished", "serial", n, "err", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("finish job %d: %w", n, err)
		}
		w.del(jobKey(n))
		if err := w.seal(); err != nil {
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
		return w.finish(newVanish(e, &j.tail))
	}
	return w.finish(newDeletion(e, &j.tail))
}

var errUnreadRequest = errors.New("the event that asks for it is damaged")

// resumeUnread finishes a request to vanish of which there are only its keys: its
// time stands in its tail, and its author is one of those that have vanished up to
// that time.
func (w *writer) resumeUnread(t *tail) error {
	if t.kind() != event.KindVanish {
		return errUnreadRequest
	}
	by, err := w.vanishedBy(t)
	if err != nil {
		return err
	}
	r := &vanish{by: by, until: t.created(), serial: t.serial()}
	r.restart()
	return w.finish(r)
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
