package badgerstore

import (
	"encoding/binary"
	"errors"
	"sync"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
)

// writer collects the writes of a commit and what they mean for memory. Its
// caller holds Store.write and keeps the store open.
type writer struct {
	s       *Store
	txn     *badger.Txn // reads what Badger has
	pending *pending    // what Badger has not; asked first
	writes  *writes
	bytes   int64 // of the writes, about
	serial  store.Serial
	sealed  bool // something is stored
	stepped []request
	change
}

// change is what a commit changes in memory, once it is durable.
type change struct {
	added, removed []stored
	aliases        bool
	left           []tail // of removed: no event asked for it
}

type stored struct {
	tail tail
	value
}

func (s *Store) newWriter() *writer {
	flushed := s.backlog.flushed.Load()
	w := &writer{s: s, txn: s.versions.beginWritten(), pending: s.pending, writes: &s.writes, serial: s.serial}
	w.pending.forget(flushed)
	return w
}

// close forgets what was not sealed.
func (w *writer) close() {
	if len(w.writes.list) > 0 {
		for _, r := range w.stepped {
			r.restart()
		}
	}
	w.s.versions.finish(w.txn)
	w.pending.undo()
	w.writes.reset()
}

// get returns the value of key, which is not to be changed.
func (w *writer) get(key []byte) (v []byte, ok bool, err error) {
	if op, ok := w.pending.latest[string(key)]; ok {
		return op.value, !op.remove, nil
	}
	item, err := w.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err == nil {
		v, err = item.ValueCopy(nil)
	}
	return v, err == nil, err
}

func (w *writer) exists(key []byte) (bool, error) {
	_, ok, err := w.get(key)
	return ok, err
}

// tail returns the tail that key holds.
func (w *writer) tail(key []byte) (t tail, ok bool, err error) {
	b, ok, err := w.get(key)
	if ok {
		t, err = parseTail(key, b)
	}
	return t, ok && err == nil, err
}

// unread is the value of an event that is there and cannot be read. What removes
// such an event removes its own key: then it is gone, though some keys that lead to
// it stay, and it cannot come back if the disk should give it again.
var unread = value{}

func (v value) unread() bool { return v != nil && len(v) == 0 }

// value returns the record of t, nil if there is none, or unread: what cannot be
// read may not be in the way of commits, nor of Open.
func (w *writer) value(t *tail) (value, error) {
	if op, ok := w.pending.latest[string(recordKey(t))]; ok {
		return op.value, nil
	}
	if w.s.records.Dead(uint64(t.serial())) {
		return nil, nil
	}
	v, err := w.s.readRecord(t, new([]byte))
	if !errors.Is(err, errValue) {
		return v, err
	}
	there, lost := w.exists(recordKey(t)) // an address may lead to what is not
	if lost != nil || !there {
		return nil, lost
	}
	w.s.damages.record(t, err)
	return unread, nil
}

// at returns the stored event whose tail key holds, or none.
func (w *writer) at(key []byte) (n stored, err error) {
	t, ok, err := w.tail(key)
	if err != nil || !ok {
		return n, err
	}
	v, err := w.value(&t)
	return stored{t, v}, err
}

// room makes sure that so many more writes fit into the frame, and
// seals what there is if need be.
func (w *writer) room(ops, bytes int64) error {
	if w.fits(ops, bytes) {
		return nil
	}
	return w.seal()
}

// fits reports whether the frame takes so many more writes of an event's
// size and bytes of values, and seal's own.
func (w *writer) fits(ops, bytes int64) bool {
	return w.s.takes(int64(len(w.writes.list))+ops, w.bytes+bytes+ops*(maxKey+entryBytes))
}

// takes reports whether a frame takes so many writes of so many bytes,
// and seal's own.
func (s *Store) takes(ops, bytes int64) bool {
	const own = 4
	return ops+own < s.db.MaxBatchCount() && bytes+own*(maxKey+entryBytes) < s.db.MaxBatchSize()
}

const (
	maxKey     = int64(1 + 2 + maxPlain + len(tail{}))
	entryBytes = 32 // what Badger may add to an entry's key and value
)

func (w *writer) set(key, v []byte) {
	w.pending.add(w.writes.add(key, v, false))
	w.bytes += int64(len(key)+len(v)) + entryBytes
}

func (w *writer) del(key []byte) {
	w.pending.add(w.writes.add(key, nil, true))
	w.bytes += int64(len(key)) + entryBytes
}

// seal makes durable what was written, as one frame, and tells memory. After an error it is
// as if nothing had been written since the last seal.
func (w *writer) seal() error {
	s := w.s
	if len(w.writes.list) == 0 {
		return nil
	}
	events := s.events.Load() + int64(len(w.added)-len(w.removed))
	state := binary.BigEndian.AppendUint64(nil, uint64(w.serial))
	state = binary.BigEndian.AppendUint64(state, uint64(events))
	w.set(stateKey, state)
	var slots []slot
	var preparing sync.WaitGroup
	prepare := func() { slots = s.hot.prepare(w.added) }
	if len(w.writes.list) > fewWrites {
		preparing.Go(prepare)
	} else {
		prepare() // to wake another core costs more
	}
	epoch, err := s.persist(w.writes)
	preparing.Wait()
	if err != nil {
		return err
	}
	w.pending.close(epoch)
	w.writes.reset()
	w.sealed = true
	s.remember(&w.change, slots, w.serial, events)
	s.noteLeft(w.left)
	w.bytes, w.change = 0, change{}
	return nil
}

// remember makes memory follow the disk. slots are those of the added events.
func (s *Store) remember(c *change, slots []slot, serial store.Serial, events int64) {
	if c.aliases {
		s.aliases.Store(true)
	}
	added, removed := make([]event.ID, len(c.added)), make([]event.ID, 0, len(c.removed))
	for i := range c.added {
		added[i] = *c.added[i].id()
	}
	for i := range c.removed {
		if c.removed[i].unread() {
			s.recent.clear() // it may be any
			continue
		}
		removed = append(removed, *c.removed[i].id())
	}
	s.recent.update(added, removed)
	s.hot.apply(slots, c.removed)
	s.addresses.forget(c)
	s.ids.follow(c)
	s.events.Store(events)
	s.serial = serial
	s.last.Store(uint64(serial))
	s.metrics.changed(c)
}

// persist makes the writer's writes durable, and returns the backlog's epoch.
func (s *Store) persist(w *writes) (epoch uint64, err error) {
	if s.rebuilding {
		return s.appendKeys(w)
	}
	if s.journal.stuck() {
		if err := s.checkpoint(); err != nil {
			return 0, err
		}
	}
	if s.backlog.full() {
		if err := s.backlog.flush(); err != nil {
			return 0, err
		}
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	if err := s.records.Prepare(w.records()); err != nil {
		return 0, err
	}
	if err := s.journal.append(w); err != nil {
		return 0, err
	}
	s.commitRecords(w)
	return s.backlog.add(w), nil
}

// commitRecords shows the records that were prepared, and drops those that the
// writes remove. What is left of the writes is for Badger.
func (s *Store) commitRecords(w *writes) {
	s.records.Commit()
	for i := range w.list {
		if op := &w.list[i]; op.remove && op.key[0] == keyRecord {
			t := tailOf(op.key)
			s.records.Drop(uint64(t.serial()))
			s.collector.dropped()
		}
	}
	w.keysAlone()
}
