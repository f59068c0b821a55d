package badgerstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/fault"
)

// Report is what Check has found.
type Report struct {
	Events   int
	Keys     int      // index keys
	Problems []string // the first hundred
	More     int      // problems beyond those
}

func (r *Report) problem(format string, a ...any) {
	if len(r.Problems) < 100 {
		r.Problems = append(r.Problems, fmt.Sprintf(format, a...))
	} else {
		r.More++
	}
}

// Check walks the whole store and reports where records, keys, the set of the
// removed, counters and memory disagree, and which tables of keys are not what was
// written. What is under way is done first. Deep, it also parses every event and computes its id. Commits wait
// meanwhile. Its error is that of reading.
func (s *Store) Check(ctx context.Context, deep bool) (_ *Report, err error) {
	for r := s.requests.first(); r != nil && s.stepRequest(r) == nil; r = s.requests.first() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	s.write.Lock()
	defer s.write.Unlock()
	gate, err := s.life.begin()
	if err != nil {
		return nil, err
	}
	defer gate.RUnlock()
	defer fault.Catch(fault.Arm(), &err)
	txn, err := s.versions.beginWhole()
	if err != nil {
		return nil, err
	}
	c := &checker{s: s, txn: txn, report: new(Report), deep: deep}
	defer s.versions.finish(c.txn)
	for _, step := range []func(context.Context) error{c.tables, c.records, c.indexes, c.addresses, c.jobs} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return c.report, c.counters()
}

type checker struct {
	s        *Store
	txn      *badger.Txn
	report   *Report
	deep     bool
	last     store.Serial
	inMemory int // events that memory should hold, and does
}

// records checks every record and that all its keys are there.
func (c *checker) records(ctx context.Context) error {
	return c.each(ctx, keyRecord, func(item *badger.Item) error {
		c.report.Events++
		n := stored{tail: tailOf(item.Key())}
		serial := uint64(n.tail.serial())
		if c.s.records.Dead(serial) {
			c.report.problem("record %x is among the removed, and has its key", n.tail)
		}
		if !c.s.records.Whole(serial) {
			c.report.problem("record %x is not as it was written", n.tail)
			return nil
		}
		n.value = c.s.records.Get(serial)
		return c.record(&n)
	})
}

func (c *checker) record(n *stored) error {
	if err := n.check(); err != nil {
		c.report.problem("record %x: %v", n.tail, err)
		return nil
	}
	if t := n.value.tail(n.tail.serial()); t.compare(&n.tail) != 0 || t.kind() != n.kind() {
		c.report.problem("record %x does not fit its place", n.tail)
		return nil
	}
	c.last = max(c.last, n.tail.serial())
	n.keys(&n.tail, func(key []byte) {
		c.report.Keys++
		want := []byte{}
		if key[0] == keyID {
			want = n.tail[:]
		}
		c.holds(n, bytes.Clone(key), want)
	})
	c.memory(n)
	if c.deep || n.latestKey(&n.tail) != nil || n.tail.alias() || n.kind() == event.KindDeletion || n.kind() == event.KindVanish {
		c.event(n)
	}
	return nil
}

// event checks what only the event itself tells.
func (c *checker) event(n *stored) {
	e, err := event.Parse(bytes.Clone(n.raw()))
	if err != nil {
		c.report.problem("record %x holds no event: %v", n.tail, err)
		return
	}
	if t := makeTail(e, n.tail.serial()); t != n.tail || !bytes.Equal(makeValue(e), n.value) {
		c.report.problem("record %x does not fit its event %s", n.tail, e.ID)
	}
	if c.deep && event.ComputeID(e) != e.ID {
		c.report.problem("event %s has another id than its bytes", e.ID)
	}
	if a, ok := store.AddressOf(e); ok {
		c.holds(n, addressKey(keyLatest, a), n.tail[:])
	}
	if c.s.requests.asks(&n.tail) != nil { // it bars as much when it is done
		return
	}
	switch e.Kind {
	case event.KindDeletion:
		ids, addrs := store.Targets(e)
		for _, id := range ids {
			c.barred(n, goneKey(id, e.PubKey), math.MinInt64)
		}
		for _, a := range addrs {
			c.barred(n, addressKey(keyGoneAddr, a), e.CreatedAt)
		}
	case event.KindVanish:
		c.barred(n, vanishedKey(e.PubKey), e.CreatedAt)
	}
}

// barred wants the tombstone of that key to be there, up to that time at least.
func (c *checker) barred(n *stored, key []byte, until int64) {
	got, err := get(c.txn, key)
	switch {
	case err != nil:
		c.report.problem("event %s: what it deletes may come again: key %x cannot be read: %v", *n.id(), key, err)
	case got == nil:
		c.report.problem("event %s: what it deletes may come again: key %x is missing", *n.id(), key)
	case readTime(got) < until:
		c.report.problem("event %s: what it deletes may come again: key %x reaches up to %d only, not to %d", *n.id(), key, readTime(got), until)
	}
}

// holds wants key to be there with that value.
func (c *checker) holds(n *stored, key, want []byte) {
	got, err := get(c.txn, key)
	switch {
	case err != nil:
		c.report.problem("event %s: key %x cannot be read: %v", *n.id(), key, err)
	case got == nil:
		c.report.problem("event %s: key %x is missing", *n.id(), key)
	case !bytes.Equal(got, want):
		c.report.problem("event %s: key %x leads to %x, and should lead to %x", *n.id(), key, got, want)
	}
}

// memory wants n in the hot index if that covers it.
func (c *checker) memory(n *stored) {
	h := c.s.hot
	h.mu.RLock()
	defer h.mu.RUnlock()
	if n.tail.compare(&h.floor) >= 0 {
		return
	}
	if n.tail.compare(&h.ceil) < 0 {
		if !h.future.has(h.hash(idKey(*n.id()))) {
			c.report.problem("memory does not know of %s, which is dated ahead", *n.id())
		}
		return
	}
	c.inMemory++
	for _, hash := range h.hashes(n, nil) {
		list := h.postings.list(hash, new([]uint32))
		i := h.olderLocked(list, &n.tail)
		if i == len(list) || h.slots[list[i]] != n.tail {
			c.report.problem("memory does not hold %s as it should", *n.id())
			return
		}
	}
}

// indexKeys are the keys that an event has beside its record and its address.
var indexKeys = []byte{keyID, keyKind, keyAuthor, keyTag, keyExpiry, keyAlias}

// indexes counts the index keys: if every record has all of its keys and there
// are no more than that, none is left over.
func (c *checker) indexes(ctx context.Context) error {
	found := 0
	for _, name := range indexKeys {
		err := c.each(ctx, name, func(item *badger.Item) error {
			found++
			t, err := indexTail(item)
			if err != nil {
				c.report.problem("key %x: %v", item.Key(), err)
			} else if _, err := c.txn.Get(recordKey(&t)); errors.Is(err, badger.ErrKeyNotFound) {
				c.report.problem("key %x leads to no event", item.Key())
			} else if err != nil {
				c.report.problem("key %x leads to an event whose key cannot be read: %v", item.Key(), err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if found != c.report.Keys {
		c.report.problem("there are %d index keys, and the events should have %d", found, c.report.Keys)
	}
	return nil
}

func indexTail(item *badger.Item) (t tail, err error) {
	b := item.Key()
	if b[0] == keyID {
		if b, err = item.ValueCopy(nil); err != nil {
			return t, err
		}
	}
	if len(b) < len(t) {
		return t, errValue
	}
	return tailOf(b), nil
}

func (c *checker) jobs(ctx context.Context) error {
	return c.each(ctx, keyJob, func(item *badger.Item) error {
		if key := item.Key(); len(key) == 9 && c.s.requests.of(store.Serial(binary.BigEndian.Uint64(key[1:]))&^dropped) != nil {
			return nil
		}
		c.report.problem("job %x is not finished", item.Key())
		return nil
	})
}

// tables reads the tables of keys with their checksums.
func (c *checker) tables(ctx context.Context) error {
	for _, name := range c.s.tableNames() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.s.verifyTable(name); err != nil {
			c.report.problem("table %s: %v", filepath.Base(name), err)
		}
	}
	return nil
}

// addresses checks what addresses lead to: an event that has this address, or, of
// before there were bars, one that is gone.
func (c *checker) addresses(ctx context.Context) error {
	err := c.each(ctx, keyLatest, func(item *badger.Item) error {
		t, ok, err := c.place(item)
		if err != nil || !ok {
			return err
		}
		switch _, err := c.txn.Get(recordKey(&t)); {
		case errors.Is(err, badger.ErrKeyNotFound):
			if t.serial() > c.s.barsFrom {
				c.report.problem("address %x leads to serial %d, which is not there", item.Key(), t.serial())
			}
			return nil
		case err != nil:
			return err
		}
		n := stored{t, c.s.records.Get(uint64(t.serial()))}
		if !t.alias() && n.check() == nil && !bytes.Equal(n.latestKey(&t), item.Key()) {
			c.report.problem("address %x leads to event %s, which has another", item.Key(), *n.id())
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.bars(ctx)
}

// bars checks that a bar is of an older version than the one that is stored.
func (c *checker) bars(ctx context.Context) error {
	return c.each(ctx, keyBar, func(item *badger.Item) error {
		t, ok, err := c.place(item)
		if err != nil || !ok {
			return err
		}
		latest, err := get(c.txn, append([]byte{keyLatest}, item.Key()[1:]...))
		if err != nil || len(latest) != len(t) {
			return err
		}
		if r := tail(latest); r.compare(&t) >= 0 {
			c.report.problem("address %x is barred by serial %d, which is not older than the newest, %d", item.Key(), t.serial(), r.serial())
		}
		return nil
	})
}

// place reads the tail that the item holds, and wants it to be one.
func (c *checker) place(item *badger.Item) (t tail, ok bool, err error) {
	b, err := item.ValueCopy(nil)
	if err != nil {
		return t, false, err
	}
	t, err = parseTail(item.Key(), b)
	if err != nil {
		c.report.problem("%v", err)
		return t, false, nil
	}
	if t.serial() > c.s.serial {
		c.report.problem("key %x leads to serial %d, which is beyond the last, %d", item.Key(), t.serial(), c.s.serial)
	}
	return t, true, nil
}

func (c *checker) counters() error {
	state, err := get(c.txn, stateKey)
	if err != nil {
		return err
	}
	want := binary.BigEndian.AppendUint64(nil, uint64(c.s.serial))
	want = binary.BigEndian.AppendUint64(want, uint64(c.s.events.Load()))
	if (state != nil || c.s.serial > 0) && !bytes.Equal(state, want) {
		c.report.problem("the state is %x, want %x", state, want)
	}
	if n := c.s.events.Load(); n != int64(c.report.Events) {
		c.report.problem("the counter says %d events, there are %d", n, c.report.Events)
	}
	if st := c.s.records.Stats(); st.Records-st.Dead != c.report.Events {
		c.report.problem("%d records are not dropped, there are %d events", st.Records-st.Dead, c.report.Events)
	}
	if n := c.s.records.Doubted(); n > 0 {
		c.report.problem("%d pages of the set of the removed have no checksum", n)
	}
	if next := c.s.records.Next(); next > uint64(c.s.serial)+1 {
		c.report.problem("there are records up to %d, and keys up to %d", next-1, c.s.serial)
	}
	if c.last > c.s.serial {
		c.report.problem("serial %d is beyond the last, %d", c.last, c.s.serial)
	}
	if n, _ := c.s.hot.size(); n != c.inMemory {
		c.report.problem("memory holds %d events, should %d", n, c.inMemory)
	}
	return nil
}

// each calls do for every key of that name.
func (c *checker) each(ctx context.Context, name byte, do func(*badger.Item) error) error {
	it := c.txn.NewIterator(keysOnly)
	defer it.Close()
	prefix := []byte{name}
	for it.Seek(prefix); it.ValidForPrefix(prefix); it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(it.Item()); err != nil {
			return err
		}
	}
	return nil
}
