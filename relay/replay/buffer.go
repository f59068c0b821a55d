// Package replay keeps the last minutes of ephemeral events that name a cell of
// the earth, for clients that come late. It is a data structure in memory: it
// starts no goroutine, and nothing of it survives the process.
package replay

import (
	"bytes"
	"container/list"
	"slices"
	"sync"
	"time"

	"moa/nips/event"
	"moa/nips/geohash"
)

// MaxTTL is the longest that an event may be kept: no client asks for more, and
// ephemeral events are not meant to stay.
const MaxTTL = time.Hour

// Config bounds a Buffer. The zero Config keeps nothing.
type Config struct {
	TTL     time.Duration // after an event was made or, if its clock is ahead, came
	Kinds   []uint16      // that are kept
	PerCell int           // events of one kind in one cell
	Events  int           // in all
	Bytes   int           // in all, of memory, about
}

// maxCells is in how many cells an event may be to be kept.
const maxCells = 16

// Buffer holds events. When there is no room for one more the oldest goes, of the
// cell or of all.
type Buffer struct {
	now func() time.Time

	// meet is held while an event is kept and goes to the live subscriptions, and
	// while a subscription joins those.
	meet sync.Mutex

	mu    sync.Mutex // guards the following
	cfg   Config
	order list.List // of *item, as they came
	ids   map[event.ID]*item
	cells map[cell][]*item // as they came
	bytes int
	last  uint64
}

// cell is the value of a tag by which events of a kind are asked for.
type cell struct {
	kind uint16
	tag  byte // g, or r as BitChat's mesh bridges use it
	hash string
}

// item does not change once it is in the Buffer.
type item struct {
	*event.Event
	n     uint64
	born  time.Time // its life begins
	came  time.Time
	cells []cell
	place *list.Element
}

// cost is about what the item takes, in bytes.
func (it *item) cost() int { return 256 + it.Bytes() + len(it.Raw) + 64*len(it.cells) }

// NewBuffer returns a Buffer that keeps nothing until it is configured.
func NewBuffer(now func() time.Time) *Buffer {
	return &Buffer{now: now, ids: map[event.ID]*item{}, cells: map[cell][]*item{}}
}

// Configure puts other bounds in force. What is beyond them goes.
func (b *Buffer) Configure(cfg Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cfg = cfg
	b.dropAllLocked(func(e *event.Event) bool { return !slices.Contains(cfg.Kinds, e.Kind) })
	for c := range b.cells {
		b.trimLocked(c)
	}
	b.sweepLocked(b.now())
}

// Takes reports whether Add would look at the event.
func (b *Buffer) Takes(e *event.Event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cfg.TTL > 0 && slices.Contains(b.cfg.Kinds, e.Kind)
}

// Add keeps an event if it names a cell. False: it is kept already.
func (b *Buffer) Add(e *event.Event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.ids[e.ID]; ok {
		return false
	}
	now := b.now()
	it := &item{Event: e, born: now, came: now, cells: cellsOf(e)}
	if e.CreatedAt < now.Unix() {
		it.born = time.Unix(e.CreatedAt, 0)
	}
	if len(it.cells) == 0 || !slices.Contains(b.cfg.Kinds, e.Kind) || it.over(b.cfg.TTL, now) {
		return true
	}
	b.last++
	it.n = b.last
	it.place = b.order.PushBack(it)
	b.ids[e.ID] = it
	b.bytes += it.cost()
	for _, c := range it.cells {
		b.cells[c] = append(b.cells[c], it)
		b.trimLocked(c)
	}
	b.sweepLocked(now)
	return true
}

// cellsOf returns the cells that an event names, nil if those are too many.
func cellsOf(e *event.Event) (cells []cell) {
	for _, t := range e.Tags {
		if len(t) < 2 || t[0] != "g" && t[0] != "r" || !geohash.Valid(t[1]) {
			continue
		}
		c := cell{e.Kind, t[0][0], t[1]}
		if slices.Contains(cells, c) {
			continue
		}
		if len(cells) == maxCells {
			return nil
		}
		cells = append(cells, c)
	}
	return cells
}

// over reports that the event's time has passed.
func (it *item) over(ttl time.Duration, now time.Time) bool {
	return !now.Before(it.born.Add(ttl)) || it.Expiration != 0 && it.Expiration <= now.Unix()
}

// trimLocked removes the oldest of a cell that has too many.
func (b *Buffer) trimLocked(c cell) {
	for len(b.cells[c]) > b.cfg.PerCell {
		b.dropLocked(b.cells[c][0])
	}
}

// sweepLocked removes what came too long ago, and the oldest if there are too
// many. One whose time began before it came may stay longer, unseen.
func (b *Buffer) sweepLocked(now time.Time) {
	for at := b.order.Front(); at != nil; at = b.order.Front() {
		it := at.Value.(*item)
		if now.Before(it.came.Add(b.cfg.TTL)) && b.order.Len() <= b.cfg.Events && b.bytes <= b.cfg.Bytes {
			return
		}
		b.dropLocked(it)
	}
}

func (b *Buffer) dropLocked(it *item) {
	if b.ids[it.ID] != it {
		return
	}
	b.order.Remove(it.place)
	delete(b.ids, it.ID)
	b.bytes -= it.cost()
	for _, c := range it.cells {
		of := b.cells[c]
		if i := slices.Index(of, it); i >= 0 {
			of = slices.Delete(of, i, i+1)
		}
		if b.cells[c] = of; len(of) == 0 {
			delete(b.cells, c)
		}
	}
}

// Sweep removes what nobody can find any more.
func (b *Buffer) Sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for at := b.order.Front(); at != nil; {
		it := at.Value.(*item)
		at = at.Next()
		if it.over(b.cfg.TTL, now) {
			b.dropLocked(it)
		}
	}
}

// Forget does what a deletion (NIP-09) or a request to vanish (NIP-62) that
// holds asks for.
func (b *Buffer) Forget(by *event.Event) {
	if by.Kind != event.KindDeletion && by.Kind != event.KindVanish {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch by.Kind {
	case event.KindDeletion:
		for _, t := range by.Tags {
			id, err := event.ParseID(t.Value())
			if it := b.ids[id]; t[0] == "e" && err == nil && it != nil && it.PubKey == by.PubKey {
				b.dropLocked(it)
			}
		}
	case event.KindVanish:
		b.dropAllLocked(func(e *event.Event) bool { return e.PubKey == by.PubKey && e.CreatedAt <= by.CreatedAt })
	}
}

// Drop drops, of all that is kept, the events that drop names: an operator removes them.
func (b *Buffer) Drop(drop func(*event.Event) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropAllLocked(drop)
}

func (b *Buffer) dropAllLocked(drop func(*event.Event) bool) {
	for at := b.order.Front(); at != nil; {
		it := at.Value.(*item)
		at = at.Next()
		if drop(it.Event) {
			b.dropLocked(it)
		}
	}
}

// Asks reports whether a filter asks for what a Buffer keeps: by cell, and for
// the past, with a since or a limit.
func Asks(f *event.Filter) bool {
	if f.Since == 0 && !f.HasLimit || f.HasLimit && f.Limit == 0 || f.Search != "" {
		return false
	}
	return slices.ContainsFunc(f.Tags, byCell)
}

func byCell(t event.TagFilter) bool { return t.Name == 'g' || t.Name == 'r' }

// Last is the number of the event that was added last; they are counted from 1.
func (b *Buffer) Last() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// Find returns what the filters that ask for it match of the first upTo
// events, newest first, of the same second by ascending id, limits aside.
func (b *Buffer) Find(filters []*event.Filter, upTo uint64) (found []*event.Event) {
	filters = slices.DeleteFunc(slices.Clone(filters), func(f *event.Filter) bool { return !Asks(f) })
	candidates, ttl := b.candidates(filters)
	now := b.now()
	for _, it := range candidates {
		matches := func(f *event.Filter) bool { return f.Matches(it.Event) }
		if it.n <= upTo && !it.over(ttl, now) && slices.ContainsFunc(filters, matches) {
			found = append(found, it.Event)
		}
	}
	slices.SortFunc(found, Compare)
	return slices.Compact(found)
}

// candidates returns what the filters may match, and more, some of it twice.
func (b *Buffer) candidates(filters []*event.Filter) (all []*item, ttl time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range filters {
		t := f.Tags[slices.IndexFunc(f.Tags, byCell)]
		if len(t.Regions) > 0 {
			all = slices.Grow(all[:0], b.order.Len())
			for at := b.order.Front(); at != nil; at = at.Next() {
				all = append(all, at.Value.(*item))
			}
			return all, b.cfg.TTL
		}
		for _, kind := range b.cfg.Kinds {
			for _, hash := range t.Values {
				all = append(all, b.cells[cell{kind, t.Name, hash}]...)
			}
		}
	}
	return all, b.cfg.TTL
}

// Compare orders events as a store.Scan finds them.
func Compare(a, b *event.Event) int {
	switch {
	case a.CreatedAt > b.CreatedAt:
		return -1
	case a.CreatedAt < b.CreatedAt:
		return 1
	}
	return bytes.Compare(a.ID[:], b.ID[:])
}

// Size returns how many events are held, and about how many bytes they take.
func (b *Buffer) Size() (events, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.order.Len(), b.bytes
}
