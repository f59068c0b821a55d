package badgerstore

import (
	"hash/maphash"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"moa/store/badgerstore/internal/records"
)

// hot holds the newest events by created_at in memory, with a posting list for
// every prefix and lookup key that a plan may ask for. It follows Badger: what
// a commit has changed is applied when it is durable.
//
// It covers every stored event whose tail comes before floor, and no other; but
// for those before ceil (future.go).
// A full hot drops its oldest event and raises the floor to it.
type hot struct {
	max     int64 // bytes
	seed    maphash.Seed
	all     uint64 // hash of the list of all events
	records *records.Log
	now     func() int64 // Unix seconds
	dated   atomic.Bool  // ceil is set

	mu    sync.RWMutex // guards the following
	floor tail
	ceil  tail
	future
	slots    []tail
	free     []uint32
	postings postings
	count    int      // of entries in postings
	gen      uint32   // counts the changes: of one generation slots and lists stay as they are
	buf      []uint64 // memory for what is removed
	one      []uint32 // memory for allLocked
}

// slot is an event with the posting lists that it is in.
type slot struct {
	tail  tail
	lists []uint64
}

func newHot(megabytes int) *hot {
	h := &hot{max: int64(max(megabytes, 0)) << 20, seed: maphash.MakeSeed(), postings: newPostings(), now: func() int64 { return time.Now().Unix() }}
	h.all = h.hash(allEvents)
	return h
}

func (h *hot) hash(prefix []byte) uint64 { return maphash.Bytes(h.seed, prefix) }

// hashes appends the posting lists that n is in to list[:0].
func (h *hot) hashes(n *stored, list []uint64) []uint64 {
	list = append(list[:0], h.all)
	n.keys(&n.tail, func(key []byte) {
		switch key[0] {
		case keyExpiry:
		case keyID:
			list = append(list, h.hash(key))
		default:
			list = append(list, h.hash(key[:len(key)-len(tail{})]))
		}
	})
	if key := n.latestKey(&n.tail); key != nil {
		list = append(list, h.hash(key))
	}
	slices.Sort(list) // an event is once in a list, whatever collides
	return slices.Compact(list)
}

// What an event, a posting list and an entry in one take, about, in bytes.
const (
	slotCost  = 40
	listCost  = 56 // there is room for more in a map that entries come to and go from
	entryCost = 9
)

func (h *hot) usedLocked() int64 {
	return slotCost*int64(len(h.slots)-len(h.free)) + listCost*int64(h.postings.len()) + entryCost*int64(h.count) + h.future.used()
}

// apply follows a commit: added is what prepare has made of its events.
func (h *hot) apply(added []slot, removed []stored) {
	if h.max == 0 {
		return
	}
	h.change(added, removed)
	h.shrink()
}

// shrink drops what there is no room for.
func (h *hot) shrink() {
	for {
		oldest := h.surplus()
		if len(oldest) == 0 {
			return
		}
		for i := range oldest { // without the lock: the disk may be slow
			n := &oldest[i]
			n.value, _ = h.records.Read(uint64(n.tail.serial()), new([]byte)) // removeLocked sees if it is none
		}
		h.evict(oldest)
	}
}

func (h *hot) change(added []slot, removed []stored) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gen++
	now := h.now()
	for i := range added {
		if h.keepsLocked(&added[i], now) && added[i].tail.compare(&h.floor) < 0 {
			h.addLocked(&added[i])
		}
	}
	for i := range removed {
		h.removeLocked(&removed[i])
	}
}

// evictAtOnce is how many events are dropped between two looks.
const evictAtOnce = 16

// surplus returns the oldest events if there are more than there is room for.
func (h *hot) surplus() (oldest []stored) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.usedLocked() <= h.max {
		return nil
	}
	var one []uint32
	all := h.postings.list(h.all, &one)
	for _, at := range all[:min(len(all), evictAtOnce)] {
		oldest = append(oldest, stored{tail: h.slots[at]})
	}
	return oldest
}

// evict drops as many of the oldest as it takes.
func (h *hot) evict(oldest []stored) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gen++
	for i := 0; i < len(oldest) && h.usedLocked() > h.max; i++ {
		h.floor = oldest[i].tail
		h.removeLocked(&oldest[i])
	}
}

// prepare makes slots of events. It needs no lock.
func (h *hot) prepare(events []stored) []slot {
	if h.max == 0 {
		return nil
	}
	slots := make([]slot, len(events))
	for i := range events {
		n := &events[i]
		slots[i] = slot{n.tail, h.hashes(n, make([]uint64, 0, 16))}
	}
	return slots
}

// extend adds the events that follow the floor, and lowers the floor to to. It
// reports whether there is room for more.
func (h *hot) extend(events []stored, to tail) (more bool) {
	slots := h.prepare(events)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gen++
	now := h.now()
	for i := range slots {
		if h.usedLocked() > h.max {
			h.floor = slots[i].tail
			return false
		}
		if h.keepsLocked(&slots[i], now) {
			h.addLocked(&slots[i])
		}
	}
	h.floor = to
	return to != lastTail
}

// reset forgets everything.
func (h *hot) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gen++
	h.floor, h.slots, h.free, h.count, h.postings = tail{}, nil, nil, 0, newPostings()
	h.ceil, h.future = tail{}, future{}
	h.dated.Store(false)
}

func (h *hot) addLocked(n *slot) {
	at := uint32(len(h.slots))
	if k := len(h.free); k > 0 {
		at = h.free[k-1]
		h.free = h.free[:k-1]
		h.slots[at] = n.tail
	} else {
		h.slots = append(h.slots, n.tail)
	}
	for _, hash := range n.lists {
		h.postings.insert(hash, at, func(list []uint32) int {
			switch {
			case h.slots[list[len(list)-1]].compare(&n.tail) > 0: // the newest, as a rule
				return len(list)
			case h.slots[list[0]].compare(&n.tail) < 0: // while it is warmed
				return 0
			}
			return h.olderLocked(list, &n.tail)
		})
	}
	h.count += len(n.lists)
}

// removeLocked removes n, if it is here.
func (h *hot) removeLocked(n *stored) {
	all := h.allLocked()
	i := h.olderLocked(all, &n.tail)
	if i == len(all) || h.slots[all[i]].compare(&n.tail) != 0 {
		return
	}
	at := all[i]
	if n.check() != nil { // the disk has lost it, and nothing else tells its lists
		h.count -= h.postings.removeEverywhere(at)
		h.free = append(h.free, at)
		return
	}
	h.buf = h.hashes(n, h.buf)
	for _, hash := range h.buf {
		h.postings.remove(hash, at, func(list []uint32) int { return h.olderLocked(list, &n.tail) })
	}
	h.free = append(h.free, at)
	h.count -= len(h.buf)
}

// allLocked is the list of all events.
func (h *hot) allLocked() []uint32 {
	h.one = h.one[:0]
	return h.postings.list(h.all, &h.one)
}

// olderLocked returns how many of list come after t in a Scan: they are at the
// front, and t itself, if it is there, is next.
func (h *hot) olderLocked(list []uint32, t *tail) int {
	return sort.Search(len(list), func(i int) bool { return h.slots[list[i]].compare(t) <= 0 })
}

// size returns the number of events and bytes held.
func (h *hot) size() (events int, bytes int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.slots) - len(h.free), h.usedLocked()
}
