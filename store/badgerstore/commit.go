package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/fault"
)

// Commit does what store.Store says. The batch is one frame of the journal,
// unless it is large.
func (s *Store) Commit(ctx context.Context, now int64, batch []*event.Event) ([]store.Result, error) {
	start := time.Now()
	results := make([]store.Result, len(batch))
	err := s.update(s.opt.ReserveMB, func(w *writer) error {
		for i, e := range batch {
			if err := ctx.Err(); err != nil {
				return err
			}
			r, err := w.apply(now, e)
			results[i] = r
			if err != nil {
				return fmt.Errorf("commit event %s: %w", e.ID, err)
			}
		}
		return nil
	})
	s.metrics.commit(len(batch), time.Since(start), err)
	if err != nil {
		s.onlyDurable(batch, results)
	}
	return results, err
}

// onlyDurable keeps of the results of a failed commit those of events that an
// earlier one of its frames has stored: memory knows them.
func (s *Store) onlyDurable(batch []*event.Event, results []store.Result) {
	for i, e := range batch {
		if results[i].Outcome != store.Stored || !s.recent.has(e.ID) {
			results[i] = store.Result{}
		}
	}
}

// update runs do with a writer and makes durable what it has written, if the
// disk has so much room. After an error only what an earlier frame of
// this update made durable is stored.
func (s *Store) update(reserveMB int, do func(*writer) error) (err error) {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.room(reserveMB); err != nil {
		return err
	}
	if err := s.recover(); err != nil {
		return err
	}
	gate, err := s.life.begin()
	if err != nil {
		return err
	}
	defer gate.RUnlock()
	w := s.newWriter()
	defer w.close()
	err = w.run(do)
	s.failed = err != nil && w.sealed
	s.broken.Store(err != nil && !errors.Is(err, context.Canceled))
	return asFull(err)
}

// run does it and seals. What Badger has mapped may be what the disk cannot give.
func (w *writer) run(do func(*writer) error) (err error) {
	defer fault.Catch(fault.Arm(), &err)
	if err := do(w); err != nil {
		return err
	}
	return w.seal()
}

// recover finishes the jobs that a failed commit has begun.
func (s *Store) recover() error {
	if !s.failed {
		return nil
	}
	gate, err := s.life.begin()
	if err != nil {
		return err
	}
	defer gate.RUnlock()
	if err := s.resumeJobs(); err != nil {
		return err
	}
	s.failed = false
	return nil
}

// apply stores one event or says why not.
func (w *writer) apply(now int64, e *event.Event) (store.Result, error) {
	o, err := w.refuse(now, e)
	if err != nil || o != 0 {
		return store.Result{Outcome: o}, err
	}
	n := stored{makeTail(e, w.serial+1), makeValue(e)}
	if ops := n.ops(); !w.s.takes(ops, int64(len(n.value))+ops*(maxKey+entryBytes)) {
		return store.Result{Outcome: store.TooLarge}, nil
	}
	if err := w.place(e, n); err != nil {
		return store.Result{}, err
	}
	switch e.Kind {
	case event.KindDeletion:
		err = w.deletion(e, &n.tail)
	case event.KindVanish:
		err = w.vanish(e, &n.tail)
	}
	return store.Result{Outcome: store.Stored, Serial: n.tail.serial()}, err
}

// place puts n, which holds e, at its address, if it has one.
func (w *writer) place(e *event.Event, n stored) error {
	if a, ok := store.AddressOf(e); ok {
		return w.replace(addressKey(keyLatest, a), n)
	}
	err := w.room(n.ops(), int64(len(n.value)))
	if err == nil {
		w.put(n)
	}
	return err
}

// put writes the record and its index keys. What the state tells to be the last
// serial goes up with it, and not in a frame before.
func (w *writer) put(n stored) {
	w.serial = n.tail.serial()
	w.set(recordKey(&n.tail), n.value)
	n.keys(&n.tail, func(key []byte) {
		var v []byte
		if key[0] == keyID {
			v = n.tail[:]
			w.s.ids.add(key)
		}
		w.set(key, v)
	})
	if n.tail.expires() {
		w.s.expireFrom = min(w.s.expireFrom, n.expires())
	}
	w.added = append(w.added, n)
	w.aliases = w.aliases || n.tail.alias()
}

// replace puts n at its address and drops the version that had it: in one
// frame, unless both have so many tags that it takes a job.
func (w *writer) replace(key []byte, n stored) error {
	old, err := w.at(key)
	if err != nil {
		return err
	}
	size := int64(len(n.value))
	both := n.ops() + old.ops()
	if err := w.room(both, size); err != nil {
		return err
	}
	inline := old.value != nil && w.fits(both, size)
	if inline {
		w.drop(old)
	}
	w.put(n)
	if old.tail != (tail{}) {
		w.set(barKey(key), old.tail[:])
	}
	w.set(key, n.tail[:])
	if inline || old.value == nil {
		return nil
	}
	return w.beginJob(n.tail.serial(), job{jobDrop, old.tail}, func() error { return w.dropRoomy(old) })
}

// mark sets a tombstone.
func (w *writer) mark(key, v []byte) {
	w.s.tombstones.add(key)
	w.set(key, v)
}
