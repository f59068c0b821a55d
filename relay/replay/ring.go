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

// Config bounds a Ring. The zero Config keeps nothing.
type Config struct {
	TTL     time.Duration // after an event was made or, if its clock is ahead, came
	Kinds   []uint16      // that are kept
	PerCell int           // events of one kind in one cell
	Events  int           // in all
	Bytes   int           // in all, of memory, about
}

// maxCells is in how many cells an event may be to be kept.
const maxCells = 16

// Ring holds events. When there is no room for one more the oldest goes, of the
// cell or of all.
type Ring struct {
	now func() time.Time

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

// item does not change once it is in the Ring.
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

// NewRing returns a Ring that keeps nothing until it is configured.
func NewRing(now func() time.Time) *Ring {
	return &Ring{now: now, ids: map[event.ID]*item{}, cells: map[cell][]*item{}}
}

// Configure puts other bounds in force. What is beyond them goes.
func (r *Ring) Configure(cfg Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cfg = cfg
	for at := r.order.Front(); at != nil; {
		it := at.Value.(*item)
		at = at.Next()
		if !slices.Contains(cfg.Kinds, it.Kind) {
			r.dropLocked(it)
		}
	}
	for c := range r.cells {
		r.trimLocked(c)
	}
	r.sweepLocked(r.now())
}

// Takes reports whether Add would look at the event.
func (r *Ring) Takes(e *event.Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cfg.TTL > 0 && slices.Contains(r.cfg.Kinds, e.Kind)
}

// Add keeps an event if it names a cell. False: it is kept already.
func (r *Ring) Add(e *event.Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.ids[e.ID]; ok {
		return false
	}
	now := r.now()
	it := &item{Event: e, born: now, came: now, cells: cellsOf(e)}
	if e.CreatedAt < now.Unix() {
		it.born = time.Unix(e.CreatedAt, 0)
	}
	if len(it.cells) == 0 || !slices.Contains(r.cfg.Kinds, e.Kind) || it.over(r.cfg.TTL, now) {
		return true
	}
	r.last++
	it.n = r.last
	it.place = r.order.PushBack(it)
	r.ids[e.ID] = it
	r.bytes += it.cost()
	for _, c := range it.cells {
		r.cells[c] = append(r.cells[c], it)
		r.trimLocked(c)
	}
	r.sweepLocked(now)
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
func (r *Ring) trimLocked(c cell) {
	for len(r.cells[c]) > r.cfg.PerCell {
		r.dropLocked(r.cells[c][0])
	}
}

// sweepLocked removes what came too long ago, and the oldest if there are too
// many. One whose time began before it came may stay longer, unseen.
func (r *Ring) sweepLocked(now time.Time) {
	for at := r.order.Front(); at != nil; at = r.order.Front() {
		it := at.Value.(*item)
		if now.Before(it.came.Add(r.cfg.TTL)) && r.order.Len() <= r.cfg.Events && r.bytes <= r.cfg.Bytes {
			return
		}
		r.dropLocked(it)
	}
}

func (r *Ring) dropLocked(it *item) {
	if r.ids[it.ID] != it {
		return
	}
	r.order.Remove(it.place)
	delete(r.ids, it.ID)
	r.bytes -= it.cost()
	for _, c := range it.cells {
		of := r.cells[c]
		if i := slices.Index(of, it); i >= 0 {
			of = slices.Delete(of, i, i+1)
		}
		if r.cells[c] = of; len(of) == 0 {
			delete(r.cells, c)
		}
	}
}

// Sweep removes what nobody can find any more.
func (r *Ring) Sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for at := r.order.Front(); at != nil; {
		it := at.Value.(*item)
		at = at.Next()
		if it.over(r.cfg.TTL, now) {
			r.dropLocked(it)
		}
	}
}

// Forget does what a deletion (NIP-09) or a request to vanish (NIP-62) that
// holds asks for.
func (r *Ring) Forget(by *event.Event) {
	if by.Kind != event.KindDeletion && by.Kind != event.KindVanish {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch by.Kind {
	case event.KindDeletion:
		for _, t := range by.Tags {
			id, err := event.ParseID(t.Value())
			if it := r.ids[id]; t[0] == "e" && err == nil && it != nil && it.PubKey == by.PubKey {
				r.dropLocked(it)
			}
		}
	case event.KindVanish:
		for at := r.order.Front(); at != nil; {
			it := at.Value.(*item)
			at = at.Next()
			if it.PubKey == by.PubKey && it.CreatedAt <= by.CreatedAt {
				r.dropLocked(it)
			}
		}
	}
}

// Asks reports whether a filter asks for what a Ring keeps: by cell, and for
// the past, with a since or a limit.
func Asks(f *event.Filter) bool {
	if f.Since == 0 && !f.HasLimit || f.HasLimit && f.Limit == 0 || f.Search != "" {
		return false
	}
	return slices.ContainsFunc(f.Tags, byCell)
}

func byCell(t event.TagFilter) bool { return t.Name == 'g' || t.Name == 'r' }

// Last is the number of the event that was added last; they are counted from 1.
func (r *Ring) Last() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Find returns what the filters that ask for it match of the first upTo
// events, newest first, of the same second by ascending id, limits aside.
func (r *Ring) Find(filters []*event.Filter, upTo uint64) (found []*event.Event) {
	filters = slices.DeleteFunc(slices.Clone(filters), func(f *event.Filter) bool { return !Asks(f) })
	candidates, ttl := r.candidates(filters)
	now := r.now()
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
func (r *Ring) candidates(filters []*event.Filter) (all []*item, ttl time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range filters {
		t := f.Tags[slices.IndexFunc(f.Tags, byCell)]
		if len(t.Regions) > 0 {
			all = slices.Grow(all[:0], r.order.Len())
			for at := r.order.Front(); at != nil; at = at.Next() {
				all = append(all, at.Value.(*item))
			}
			return all, r.cfg.TTL
		}
		for _, kind := range r.cfg.Kinds {
			for _, hash := range t.Values {
				all = append(all, r.cells[cell{kind, t.Name, hash}]...)
			}
		}
	}
	return all, r.cfg.TTL
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
func (r *Ring) Size() (events, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.order.Len(), r.bytes
}
