package badgerstore

import (
	"bytes"
	"errors"
	"slices"

	badger "github.com/dgraph-io/badger/v4"

	"moa/store"
)

// reader reads from one Badger transaction. All lists share one iterator:
// Badger's are large, and a list is read in runs.
type reader struct {
	from *versions
	txn  *badger.Txn
	it   *badger.Iterator
	key  []byte
	seen []byte // the key that the iterator has shown last, of its versions the newest
	buf  []byte
	work int // index entries looked at; a record counts recordWork
	kept *kept
	gen  uint64    // of kept, before the transaction began
	seq  *sequence // of a bulk reader
}

// recordWork is what reading a record costs in index entries, about.
const recordWork = 16

// newReader begins a transaction. A bulk reader does not use what is kept.
func (s *Store) newReader(bulk bool) *reader {
	r := &reader{from: s.versions}
	switch {
	case bulk:
		r.seq = new(sequence)
	case s.kept.max > 0:
		r.kept, r.gen = s.kept, s.kept.generation()
	}
	r.txn = s.versions.begin()
	return r
}

func (r *reader) close() {
	if r.it != nil {
		r.it.Close()
	}
	if r.seq != nil {
		r.seq.close()
	}
	r.from.finish(r.txn)
}

// iterator shows removed keys too. One that does not looks for the next key that
// is there beyond the list that is read, and past a hundred thousand that were
// removed at once it takes a tenth of a second to find that the list is empty.
func (r *reader) iterator() *badger.Iterator {
	if r.it == nil {
		r.it = r.txn.NewIterator(badger.IteratorOptions{AllVersions: true})
	}
	return r.it
}

// shows reports whether the iterator stands at a key that is there, and not at
// a removed one or an older version.
func (r *reader) shows(item *badger.Item) bool {
	if bytes.Equal(item.Key(), r.seen) {
		return false
	}
	r.seen = append(r.seen[:0], item.Key()...)
	return !item.IsDeletedOrExpired()
}

// record returns the record of t, or nil if it is gone. Unless it is stable it
// is valid until the next call.
func (r *reader) record(t *tail) (v value, stable bool, err error) {
	if r.kept != nil {
		if v := r.kept.value(t); v != nil {
			return v, true, nil
		}
	}
	v, err = r.value(t)
	return v, false, err
}

// lookUp returns the tail that key leads to, if there is an event.
func (r *reader) lookUp(key []byte) (t tail, ok bool, err error) {
	if r.kept == nil || key[0] != keyLatest {
		return r.tail(key)
	}
	if n, ok := r.kept.lookUp(key); ok {
		r.work++
		return n.tail, n.value != nil, nil
	}
	n := stored{}
	if n.tail, ok, err = r.tail(key); err != nil {
		return t, false, err
	}
	if ok {
		if n.value, err = r.value(&n.tail); err != nil {
			return t, false, err
		}
	}
	r.kept.keep(r.gen, key, n)
	return n.tail, n.value != nil, nil
}

// value reads the record of t, or nil if it is gone. It is valid until the
// next call.
func (r *reader) value(t *tail) (value, error) {
	if r.seq != nil {
		v, ok, err := r.seq.value(r, t)
		if ok && v != nil {
			r.buf = v
		}
		if ok || err != nil {
			return v, err
		}
	}
	r.work += recordWork
	v, err := getValue(r.txn, t, r.buf)
	if v != nil {
		r.buf = v
	}
	return v, err
}

// tail reads the tail that key holds.
func (r *reader) tail(key []byte) (t tail, ok bool, err error) {
	r.work += recordWork
	item, err := r.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return t, false, nil
	}
	if err != nil {
		return t, false, err
	}
	err = item.Value(func(b []byte) error {
		if len(b) != len(t) {
			return errValue
		}
		t, ok = tail(b), true
		return nil
	})
	return t, ok, err
}

// cursor is a place in one list of a plan, or in its lookups. It holds no
// transaction: it reads runs of tails ahead and remembers where to go on.
type cursor struct {
	part    *part
	prefix  []byte   // of a list
	lookups [][]byte // not yet looked up

	run  []tail // read ahead
	pos  int
	from tail // of a list: what comes after run
	size int  // of the next run
	end  bool // nothing comes after run
}

// Runs grow from the first to the last size: most cursors of a wide filter are
// asked for one tail only.
const (
	firstRun = 4
	lastRun  = 256
)

func (c *cursor) ready() bool { return c.pos < len(c.run) }

func (c *cursor) head() *tail { return &c.run[c.pos] }

// fill reads ahead, for about budget of work. Afterwards the cursor is ready,
// or at its end, or needs another fill.
func (c *cursor) fill(r *reader, upTo store.Serial, budget int) error {
	if c.prefix == nil {
		return c.lookUp(r, upTo, budget)
	}
	c.run, c.pos = c.run[:0], 0
	c.size = min(max(c.size*2, firstRun), lastRun)
	it := r.iterator()
	r.key = append(append(r.key[:0], c.prefix...), c.from[:]...)
	limit := r.work + budget
	r.seen = r.seen[:0]
	for it.Seek(r.key); len(c.run) < c.size; it.Next() {
		if !it.ValidForPrefix(c.prefix) {
			c.end = true
			return nil
		}
		r.work++
		item := it.Item()
		t := tailOf(item.Key())
		if t.created() < c.part.Since {
			c.end = true
			return nil
		}
		c.from = t.next()
		if r.shows(item) && c.part.admits(&t) && (upTo == 0 || t.serial() <= upTo) {
			c.run = append(c.run, t)
		}
		if r.work >= limit {
			return nil
		}
	}
	return nil
}

func (c *cursor) lookUp(r *reader, upTo store.Serial, budget int) error {
	limit := r.work + budget
	c.pos = len(c.run)
	for len(c.lookups) > 0 && r.work < limit {
		t, ok, err := r.lookUp(c.lookups[0])
		if err != nil {
			return err
		}
		c.lookups = c.lookups[1:]
		if ok && t.compare(&c.from) >= 0 && c.part.admits(&t) && (upTo == 0 || t.serial() <= upTo) {
			c.run = append(c.run, t)
			c.pos = len(c.run)
		}
	}
	if len(c.lookups) == 0 {
		slices.SortFunc(c.run, func(a, b tail) int { return bytes.Compare(a[:], b[:]) })
		c.pos, c.end = 0, true
	}
	return nil
}

// cursors is a heap: the cursor with the first tail is at 0.
type cursors []*cursor

func (h *cursors) push(c *cursor) {
	*h = append(*h, c)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[i].head().compare(s[up].head()) >= 0 {
			return
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

// fix puts the cursor at 0, which has moved on, where it belongs.
func (h cursors) fix() {
	for i := 0; ; {
		least := i
		for down := 2*i + 1; down <= 2*i+2 && down < len(h); down++ {
			if h[down].head().compare(h[least].head()) < 0 {
				least = down
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

func (h *cursors) pop() *cursor {
	s := *h
	c := s[0]
	s[0] = s[len(s)-1]
	s[len(s)-1] = nil
	*h = s[:len(s)-1]
	h.fix()
	return c
}
