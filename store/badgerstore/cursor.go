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
	s         *Store
	txn       *badger.Txn
	it        *badger.Iterator
	key       []byte
	seen      []byte        // the key that the iterator has shown last, of its versions the newest
	work      *int          // index entries looked at; what costs more counts as several
	buf       []byte        // memory for a record
	addresses *addressCache // nil for a bulk reader
	gen       uint64        // of addresses, before the transaction began
}

// What reading a record, looking up a key and going to another place of the
// index cost in index entries, about.
const (
	recordWork = 4
	lookUpWork = 16
	seekWork   = 2
)

// newReader begins a transaction whose work is added to work. A bulk reader does
// not use the address cache.
func (s *Store) newReader(bulk bool, work *int) *reader {
	r := &reader{s: s, work: work}
	if !bulk && s.addresses.max > 0 {
		r.addresses, r.gen = s.addresses, s.addresses.generation()
	}
	r.txn = s.versions.begin()
	return r
}

func (r *reader) close() {
	if r.it != nil {
		r.it.Close()
	}
	r.s.versions.finish(r.txn)
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

// record returns the record of t, or nil if it is gone. It is valid until the
// next call.
func (r *reader) record(t *tail) (value, error) {
	*r.work += recordWork
	v, err := r.s.readRecord(t, &r.buf)
	if err == nil && !r.s.records.Dead(uint64(t.serial())) {
		return v, nil
	}
	// It may have been dropped since the transaction began; or an address leads
	// to what is not there any more, not even as dead.
	switch _, err := r.txn.Get(recordKey(t)); {
	case errors.Is(err, badger.ErrKeyNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if errors.Is(err, errValue) { // no query is to fail again and again because of it
		r.s.damages.record(t, err)
		return nil, nil
	}
	return v, err
}

// lookUp returns the tail that key leads to, if there is an event.
func (r *reader) lookUp(key []byte) (t tail, ok bool, err error) {
	if r.addresses == nil || key[0] != keyLatest {
		return r.tail(key)
	}
	// What is cached may be about to be forgotten.
	if t, ok, known := r.addresses.lookUp(key, r.txn.ReadTs()); known && (!ok || !r.s.records.Dead(uint64(t.serial()))) {
		*r.work++
		return t, ok, nil
	}
	if t, ok, err = r.tail(key); err != nil {
		return t, false, err
	}
	if ok {
		v, err := r.record(&t)
		if err != nil {
			return t, false, err
		}
		ok = v != nil
	}
	r.addresses.keep(r.gen, key, addressEntry{tail: t, ok: ok, version: r.txn.ReadTs()})
	return t, ok, nil
}

// tail reads the tail that key holds.
func (r *reader) tail(key []byte) (t tail, ok bool, err error) {
	*r.work += lookUpWork
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
	side    side
	prefix  []byte   // of a list
	lookups [][]byte // not yet looked up

	run  []tail // read ahead
	pos  int
	from tail // of a list: what comes after run
	stop tail // it ends before that, unless it is zero
	size int  // of the next run
	end  bool // nothing comes after run

	// proved: an event was read, and has one of the authors asked for in full. A key
	// has only the beginning of it, and no two authors begin the same.
	proved bool
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
	limit := *r.work + budget
	*r.work += seekWork
	r.seen = r.seen[:0]
	for it.Seek(r.key); len(c.run) < c.size; it.Next() {
		if !it.ValidForPrefix(c.prefix) {
			c.end = true
			return nil
		}
		*r.work++
		item := it.Item()
		t := tailOf(item.Key())
		if t.created() < c.part.Since || c.beyond(&t) {
			c.end = true
			return nil
		}
		c.from = t.next()
		if r.shows(item) && c.part.admits(&t, c.side) && (upTo == 0 || t.serial() <= upTo) {
			c.run = append(c.run, t)
		}
		if *r.work >= limit {
			return nil
		}
	}
	return nil
}

func (c *cursor) beyond(t *tail) bool { return c.stop != (tail{}) && t.compare(&c.stop) >= 0 }

func (c *cursor) lookUp(r *reader, upTo store.Serial, budget int) error {
	limit := *r.work + budget
	c.pos = len(c.run)
	for len(c.lookups) > 0 && *r.work < limit {
		t, ok, err := r.lookUp(c.lookups[0])
		if err != nil {
			return err
		}
		c.lookups = c.lookups[1:]
		if ok && t.compare(&c.from) >= 0 && !c.beyond(&t) && c.part.admits(&t, c.side) && (upTo == 0 || t.serial() <= upTo) {
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
