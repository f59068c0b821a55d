package badgerstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	badger "github.com/dgraph-io/badger/v4"

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
// disk has so much room. After an error nothing that was not flushed before is
// stored.
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
	if err = w.run(do); err != nil {
		for _, r := range w.stepped {
			r.restart()
		}
	}
	s.failed = err != nil && w.flushed
	s.broken.Store(err != nil && !errors.Is(err, context.Canceled))
	return asFull(err)
}

// run does it and flushes. What Badger has mapped may be what the disk cannot give.
func (w *writer) run(do func(*writer) error) (err error) {
	defer fault.Catch(fault.Arm(), &err)
	if err := do(w); err != nil {
		return err
	}
	return w.flush()
}

// writer collects the writes of a commit and what they mean for memory. Its
// caller holds Store.write and keeps the store open.
type writer struct {
	s       *Store
	txn     *badger.Txn // reads what Badger has
	pending *pending    // what Badger has not; asked first
	writes  *writes
	bytes   int64 // of the writes, about
	serial  store.Serial
	flushed bool // something is stored
	stepped []request
	change
}

// change is what a commit changes in memory, once it is durable.
type change struct {
	added, removed []stored
	aliases        bool
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

// close forgets what was not flushed.
func (w *writer) close() {
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

// room makes sure that so many more writes fit into the frame, and
// flushes what there is if need be.
func (w *writer) room(ops, bytes int64) error {
	if w.fits(ops, bytes) {
		return nil
	}
	return w.flush()
}

// fits reports whether the frame takes so many more writes of an event's
// size and bytes of values, and flush's own.
func (w *writer) fits(ops, bytes int64) bool {
	return w.s.takes(int64(len(w.writes.list))+ops, w.bytes+bytes+ops*(maxKey+entryBytes))
}

// takes reports whether a frame takes so many writes of so many bytes,
// and flush's own.
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

// flush makes durable what was written, and tells memory. After an error it is
// as if nothing had been written since the last flush.
func (w *writer) flush() error {
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
	epoch, err := s.append(w.writes)
	preparing.Wait()
	if err != nil {
		return err
	}
	w.pending.close(epoch)
	w.writes.reset()
	w.flushed = true
	s.publish(&w.change, slots, w.serial, events)
	w.bytes, w.change = 0, change{}
	return nil
}

// publish makes memory follow the disk. slots are those of the added events.
func (s *Store) publish(c *change, slots []slot, serial store.Serial, events int64) {
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

// recover finishes the removals that a failed commit has begun.
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

// at returns the stored event whose tail key holds, or none.
func (w *writer) at(key []byte) (n stored, err error) {
	t, ok, err := w.tail(key)
	if err != nil || !ok {
		return n, err
	}
	v, err := w.value(&t)
	return stored{t, v}, err
}

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
	return w.stale(e, a)
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

// mark sets a tombstone.
func (w *writer) mark(key, v []byte) {
	w.s.tombstones.add(key)
	w.set(key, v)
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

func (w *writer) stale(e *event.Event, a store.Address) (store.Outcome, error) {
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
	return store.Stale, nil
}
