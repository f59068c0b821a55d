package badgerstore

import (
	"bytes"
	"context"
	"fmt"

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

// Check walks the whole store and reports where records, index keys, counters
// and memory disagree. Commits wait meanwhile. Its error is that of reading.
func (s *Store) Check(ctx context.Context) (_ *Report, err error) {
	s.write.Lock()
	defer s.write.Unlock()
	gate, err := s.life.begin()
	if err != nil {
		return nil, err
	}
	defer gate.RUnlock()
	defer fault.Catch(fault.Arm(), &err)
	c := &checker{s: s, txn: s.versions.begin(), report: new(Report)}
	defer s.versions.finish(c.txn)
	for _, step := range []func(context.Context) error{c.records, c.indexes, c.jobs} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	c.counters()
	return c.report, nil
}

type checker struct {
	s        *Store
	txn      *badger.Txn
	report   *Report
	last     store.Serial
	inMemory int // events that memory should hold, and does
}

// records checks every record and that all its keys are there.
func (c *checker) records(ctx context.Context) error {
	return c.each(ctx, keyRecord, func(item *badger.Item) error {
		c.report.Events++
		n := stored{tail: tailOf(item.Key())}
		serial := uint64(n.tail.serial())
		if !c.s.records.Whole(serial) || c.s.records.Dead(serial) {
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
	e, err := event.Parse(bytes.Clone(n.raw()))
	if err != nil {
		c.report.problem("record %x holds no event: %v", n.tail, err)
		return nil
	}
	c.last = max(c.last, n.tail.serial())
	if t := makeTail(e, n.tail.serial()); t != n.tail || !bytes.Equal(makeValue(e), n.value) {
		c.report.problem("record %x does not fit its event %s", n.tail, e.ID)
	}
	n.keys(&n.tail, func(key []byte) {
		c.report.Keys++
		want := []byte{}
		if key[0] == keyID {
			want = n.tail[:]
		}
		c.holds(e, bytes.Clone(key), want)
	})
	if a, ok := store.AddressOf(e); ok {
		c.holds(e, addressKey(keyLatest, a), n.tail[:])
	}
	c.memory(n)
	return nil
}

// holds wants key to be there with that value.
func (c *checker) holds(e *event.Event, key, want []byte) {
	got, err := get(c.txn, key)
	if err != nil || got == nil || !bytes.Equal(got, want) {
		c.report.problem("event %s: key %x is %x, want %x (%v)", e.ID, key, got, want, err)
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
	c.inMemory++
	for _, hash := range h.hashes(n, nil) {
		list := h.posts.list(hash, new([]uint32))
		i := h.olderLocked(list, &n.tail)
		if i == len(list) || h.slots[list[i]] != n.tail {
			c.report.problem("memory does not hold %s as it should", *n.id())
			return
		}
	}
}

// indexes counts the index keys: if every record has all of its keys and there
// are no more than that, none is left over.
func (c *checker) indexes(ctx context.Context) error {
	found := 0
	for _, name := range []byte{keyID, keyKind, keyAuthor, keyTag, keyExpiry, keyAlias} {
		err := c.each(ctx, name, func(item *badger.Item) error {
			found++
			t, err := indexTail(item)
			if err != nil {
				c.report.problem("key %x: %v", item.Key(), err)
			} else if _, err := c.txn.Get(recordKey(&t)); err != nil {
				c.report.problem("key %x leads nowhere (%v)", item.Key(), err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if found != c.report.Keys {
		c.report.problem("%d index keys, want %d", found, c.report.Keys)
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
		c.report.problem("removal %x is not finished", item.Key())
		return nil
	})
}

func (c *checker) counters() {
	if n := c.s.events.Load(); n != int64(c.report.Events) {
		c.report.problem("the counter says %d events, there are %d", n, c.report.Events)
	}
	if st := c.s.records.Stats(); st.Records-st.Dead != c.report.Events {
		c.report.problem("%d records are not dropped, there are %d events", st.Records-st.Dead, c.report.Events)
	}
	if c.last > c.s.serial {
		c.report.problem("serial %d is beyond the last, %d", c.last, c.s.serial)
	}
	if n, _ := c.s.hot.size(); n != c.inMemory {
		c.report.problem("memory holds %d events, should %d", n, c.inMemory)
	}
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
