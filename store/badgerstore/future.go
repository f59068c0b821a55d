package badgerstore

import (
	"context"
	"math"
	"time"

	"moa/store/badgerstore/internal/fault"
)

// The newest events by created_at are those that their authors have dated
// furthest ahead. To hold them until their time has come would leave no room
// for what is new, for years. So the hot index holds nothing that is dated
// further ahead of the clock than some clients' clocks are; of these events it
// knows only in which lists they are:
//
//  1. ceil is where what it holds begins: its coverage is from there to floor.
//     It is the zero tail as long as there are no such events.
//  2. A scan that begins before ceil reads the lists that have one of them on
//     disk, up to ceil (scan.nextFuture). As a rule that is none.
//     One that has begun when ceil was not set yet, as before memory is filled,
//     has no such lists: it reads everything from there on on disk (hot.read).
//  3. ceil goes with the clock, and what comes behind it is read into memory.

// aheadMost is how far ahead an event's time may lie, in seconds, to be held.
const aheadMost = 3600

// keepPace is how often ceil is moved on.
const keepPace = time.Minute

// futureShare of the memory is for the lists of what is dated ahead; if they
// take more, every list may be one.
const (
	futureShare = 8
	futureCost  = 48
)

// future are the lists of the events before ceil, by their hashes.
type future struct {
	lists map[uint64]struct{}
	all   bool // any list may be one
}

func (f *future) has(hash uint64) bool {
	_, ok := f.lists[hash]
	return ok || f.all
}

func (f *future) used() int64 { return futureCost * int64(len(f.lists)) }

func (f *future) add(lists []uint64, most int64) {
	if f.all {
		return
	}
	if f.lists == nil {
		f.lists = map[uint64]struct{}{}
	}
	for _, hash := range lists {
		f.lists[hash] = struct{}{}
	}
	if f.used() > most {
		*f = future{all: true}
	}
}

// keepsLocked reports whether the event may be held. now is the time.
func (h *hot) keepsLocked(n *slot, now int64) bool {
	if h.ceil == (tail{}) {
		if n.tail.created() <= now+aheadMost {
			return true
		}
		newest := now + aheadMost
		if all := h.allLocked(); len(all) > 0 { // the clock may have been put back
			newest = max(newest, h.slots[all[len(all)-1]].created())
		}
		if n.tail.created() <= newest {
			return true
		}
		h.ceil = firstTail(newest)
		h.dated.Store(true)
	}
	if n.tail.compare(&h.ceil) >= 0 {
		return true
	}
	h.future.add(n.lists, h.max/futureShare)
	return false
}

// futurePlan is what a scan is to read before what memory holds.
type futurePlan struct {
	stop  tail
	lists []futureList
	cold  bool // memory has not read so far yet
	work  int
}

// futureList is a list, or a lookup, of a part.
type futureList struct {
	part *part
	list int
}

// planFuture returns what of a scan's lists is to be read on disk before what
// memory holds.
func (h *hot) planFuture(sc *scan) (p futurePlan) {
	if !h.dated.Load() {
		return p
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.ceil == (tail{}) {
		return p
	}
	sc.dated = true
	if sc.from.compare(&h.ceil) >= 0 {
		return p
	}
	if h.floor.compare(&h.ceil) <= 0 {
		return futurePlan{cold: true}
	}
	p.stop = h.ceil
	for _, part := range sc.parts {
		p.work += part.keys() / 8
		if from := sc.start(part); part.done || from.compare(&p.stop) >= 0 {
			continue
		}
		for i := range part.keys() {
			if h.future.has(h.hash(part.key(i))) {
				p.lists = append(p.lists, futureList{part, i})
			}
		}
	}
	return p
}

// planFuture makes the cursors of what comes before the hot index.
func (sc *scan) planFuture(page *page) {
	sc.futureKnown = true
	p := sc.s.hot.planFuture(sc)
	sc.cold = p.cold
	for _, l := range p.lists {
		c := &cursor{part: l.part, from: sc.start(l.part), stop: p.stop}
		if key := l.part.key(l.list); l.list < len(l.part.lists) {
			c.prefix, c.side = key, l.part.side(l.list)
		} else {
			c.lookups = [][]byte{key}
		}
		sc.needy = append(sc.needy, c)
	}
	if len(p.lists) > 0 {
		sc.stop = p.stop
	}
	page.work += p.work
}

// advance moves ceil to to, after what lies between.
func (h *hot) advance(between []slot, to tail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gen++
	for i := range between {
		h.addLocked(&between[i])
	}
	h.ceil = to
}

// paceMost is how far ceil is moved at once, in seconds.
const paceMost = aheadMost / 4

// behind returns the next place for ceil, step from where it is, if it is time to
// move it.
func (h *hot) behind(step int64) (to tail, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	at := firstTail(h.now() + aheadMost - paceMost)
	if h.ceil == (tail{}) || h.floor.compare(&h.ceil) <= 0 || h.ceil.compare(&at) <= 0 {
		return to, false
	}
	return firstTail(h.ceil.created() + step), true
}

// keepUp moves ceil on with the clock.
func (s *Store) keepUp(ctx context.Context) {
	tick := time.NewTicker(keepPace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for moved := true; moved && ctx.Err() == nil; {
			var err error
			if moved, err = s.keepUpOnce(); err != nil {
				s.log.Error("reading recent events into memory failed", "error", err)
			}
		}
	}
}

// paceEvents is how many events are read between two commits, about.
const paceEvents = 1024

// keepUpOnce moves ceil a step, if it is time: a smaller one, if many events are dated
// to that time.
func (s *Store) keepUpOnce() (moved bool, err error) {
	s.write.Lock()
	defer s.write.Unlock()
	gate, err := s.life.begin()
	if err != nil {
		return false, nil
	}
	defer gate.RUnlock()
	defer fault.Catch(fault.Arm(), &err)
	for step := int64(paceMost); ; step /= 2 {
		to, ok := s.hot.behind(step)
		if !ok {
			return false, nil
		}
		most := paceEvents
		if step == 1 { // a second is not to be divided
			most = math.MaxInt
		}
		events, err := s.readRecords(to, s.hot.ceil, most)
		if err != nil {
			return false, err
		}
		if len(events) == most {
			continue
		}
		s.hot.advance(s.hot.prepare(events), to)
		s.hot.shrink()
		return true, nil
	}
}
