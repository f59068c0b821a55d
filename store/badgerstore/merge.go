package badgerstore

import (
	"encoding/binary"
	"runtime/debug"
	"slices"

	"moa/store/badgerstore/internal/fault"
)

// merge is how far a scan has come in the hot index: the lists of all parts,
// merged. It is read in steps, between which commits go on:
//
//  1. Every list is opened once. A step ends where its work does, and the next
//     one goes on with the next list.
//  2. Between two steps a run knows its place by the tail. If the index has
//     changed meanwhile it finds itself again when it is its turn.
//  3. The runs hold for the tails before cover: what memory covered when they
//     were opened, and still does. Behind it all are opened anew.
type merge struct {
	runs  []run
	heads []head // a heap: the run with the first tail is at 0
	tails []tail // of the runs, between two steps
	part  int    // the next list to be opened
	list  int
	open  bool // all are, and heads is made
	cover tail
	loose bool   // tails was not written: the runs hold in generation gen only
	gen   uint32 // of the index
	// Memory for most scans, which read one list or two.
	few struct {
		runs  [2]run
		heads [2]head
		tails [2]tail
	}
}

// run is a list being read, newest first.
type run struct {
	part, list int32    // of the scan, of the part
	gen        uint32   // of the index, for which slot and rest hold
	slot       uint32   // of the event at hand
	passed     bool     // that is none that the part admits
	rest       []uint32 // what comes after it; the next is the last
}

// head is a run, and the time that its tail begins with.
type head struct {
	time uint64
	run  int32
}

// walkMost is how many events of a list are passed over before it is another's
// turn: all go back in time together.
const walkMost = 256

// forget closes all lists.
func (m *merge) forget() {
	m.runs, m.heads, m.tails = nil, nil, nil
	m.part, m.list, m.open, m.loose = 0, 0, false, false
}

// read fills sc.batch with up to most events that match and that memory
// covers, from sc.from on, for about so much work. It moves sc.from past what it
// has looked at, and reports whether that is all that memory covers.
//
// What is damaged, or cannot be read, it passes over, and names in sc.lost.
func (h *hot) read(sc *scan, most, work int) (end bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	at := sc.from
	defer h.passOver(sc, &at, fault.Arm())
	m := &sc.memory
	sc.looked = 0
	if m.loose && m.gen != h.gen {
		m.forget()
	}
	if sc.from.compare(&h.floor) >= 0 || h.floor.compare(&h.ceil) <= 0 || !sc.dated && sc.from.compare(&h.ceil) < 0 {
		m.forget()
		return true
	}
	if m.part == 0 && m.list == 0 || h.floor.compare(&m.cover) < 0 {
		m.cover = h.floor
	}
	sc.batch = sc.lent[:0]
	if !m.open && !h.openLocked(sc, work) || h.mergeLocked(sc, &at, most, work) {
		h.parkLocked(m, len(sc.batch) >= most)
		return false
	}
	sc.from = m.cover
	m.forget()
	return sc.from.compare(&h.floor) >= 0
}

// passOver goes on behind the event at which a page could not be read. It is to
// be deferred.
func (h *hot) passOver(sc *scan, at *tail, before bool) {
	debug.SetPanicOnFault(before)
	if r := recover(); r != nil {
		_ = fault.Of(r)
		sc.from = at.next()
		sc.memory.forget()
		sc.lost = append(sc.lost, *at)
	}
}

// openLocked opens the lists that are not open yet, while there is work left. It
// reports whether all are.
func (h *hot) openLocked(sc *scan, work int) bool {
	m := &sc.memory
	if m.runs == nil {
		m.runs, m.heads, m.tails = m.few.runs[:0], m.few.heads[:0], m.few.tails[:0]
	}
	for ; m.part < len(sc.parts); m.part, m.list = m.part+1, 0 {
		p := sc.parts[m.part]
		if p.done {
			continue
		}
		from, lists := sc.start(p), p.keys()
		m.runs = slices.Grow(m.runs, lists-m.list)
		for ; m.list < lists; m.list++ {
			if sc.looked >= work {
				return false
			}
			sc.looked++
			sc.single = sc.single[:0]
			list := h.postings.list(h.hash(p.key(m.list)), &sc.single)
			if n := len(list); n > 0 && h.slots[list[n-1]].compare(&from) < 0 {
				before := from.prev()
				list = list[:h.olderLocked(list, &before)]
			}
			r := run{part: int32(m.part), list: int32(m.list), gen: h.gen, rest: list}
			if h.nextLocked(sc, &r, work) {
				m.runs = append(m.runs, r)
			}
		}
	}
	m.heads = slices.Grow(m.heads, len(m.runs))
	for i := range m.runs {
		m.heads = append(m.heads, head{h.tailLocked(m, int32(i)).time(), int32(i)})
	}
	for i := len(m.heads)/2 - 1; i >= 0; i-- {
		h.siftLocked(m, i)
	}
	m.open = true
	return true
}

// nextLocked moves to the next event of the list that the part admits, or, if
// that takes long, to one that it does not. It reports whether there is one.
func (h *hot) nextLocked(sc *scan, r *run, work int) bool {
	p := sc.parts[r.part]
	side := p.side(int(r.list))
	for n, walked := len(r.rest), 0; n > 0; n-- {
		at := r.rest[n-1]
		t := &h.slots[at]
		sc.looked++
		if t.created() < p.Since {
			return false
		}
		admitted := p.admits(t, side) && (sc.q.UpTo == 0 || t.serial() <= sc.q.UpTo)
		if walked++; admitted || walked == walkMost || sc.looked >= work {
			r.slot, r.passed, r.rest = at, !admitted, r.rest[:n-1]
			if n == 1 {
				r.rest = nil // it may be the scan's memory
			}
			return true
		}
	}
	return false
}

// mergeLocked looks at one tail after the other, and moves the runs that stand
// there. It reports whether there are more of them.
func (h *hot) mergeLocked(sc *scan, at *tail, most, work int) (more bool) {
	m := &sc.memory
	behind := m.cover.compare(&h.floor) < 0 // memory covers more than the runs
	for len(m.heads) > 0 && len(sc.batch) < most && sc.looked < work {
		r, ok := h.firstLocked(sc, work)
		if !ok {
			continue
		}
		first, time := r.slot, m.heads[0].time
		t := &h.slots[first]
		if behind && t.compare(&m.cover) >= 0 {
			return false
		}
		*at = *t
		var v value
		looked, matched := false, false
		for ok && r.slot == first {
			if !r.passed && !matched {
				if !looked {
					v, looked = h.records.Get(uint64(t.serial())), true
				}
				matched = v.check() == nil && sc.parts[r.part].matches(v)
			}
			h.movedLocked(m, h.nextLocked(sc, r, work))
			for ok = false; !ok && len(m.heads) > 0 && m.heads[0].time == time; {
				r, ok = h.firstLocked(sc, work)
			}
		}
		sc.from = t.next()
		switch {
		case !looked:
		case v.check() != nil, matched && !sc.counting && !h.records.Sound(uint64(t.serial())):
			sc.lost = append(sc.lost, *t)
		case matched:
			sc.batch = append(sc.batch, stored{*t, v})
		}
	}
	return len(m.heads) > 0
}

// firstLocked returns the first run, unless the event at which it stood is gone.
func (h *hot) firstLocked(sc *scan, work int) (r *run, ok bool) {
	i := sc.memory.heads[0].run
	r = &sc.memory.runs[i]
	if r.gen == h.gen && !sc.parts[r.part].done {
		return r, true
	}
	return r, h.standsLocked(sc, i, work)
}

// standsLocked reports whether the first run, which is i, stands where it stood
// before the index changed. If not, it is moved on, or ends.
func (h *hot) standsLocked(sc *scan, i int32, work int) bool {
	m := &sc.memory
	r := &m.runs[i]
	p := sc.parts[r.part]
	if p.done {
		sc.looked++
		h.movedLocked(m, false)
		return false
	}
	if r.gen == h.gen {
		return true
	}
	sc.looked++
	sc.single = sc.single[:0]
	list := h.postings.list(h.hash(p.key(int(r.list))), &sc.single)
	n := h.olderLocked(list, &m.tails[i])
	r.gen, r.rest = h.gen, list[:n]
	if n < len(list) && h.slots[list[n]].compare(&m.tails[i]) == 0 {
		r.slot = list[n]
		return true
	}
	h.movedLocked(m, h.nextLocked(sc, r, work))
	return false
}

// movedLocked puts the first run, which has moved or is at its end, where it
// belongs.
func (h *hot) movedLocked(m *merge, more bool) {
	if more {
		m.heads[0].time = h.slots[m.runs[m.heads[0].run].slot].time()
	} else {
		last := len(m.heads) - 1
		m.heads[0] = m.heads[last]
		m.heads = m.heads[:last]
	}
	if len(m.heads) > 1 {
		h.siftLocked(m, 0)
	}
}

// cheap is how many lists are opened anew rather than remembered, if all that
// was asked for was found: as a rule nothing follows.
const cheap = 1024

// parkLocked writes down where the runs stand.
func (h *hot) parkLocked(m *merge, likelyLast bool) {
	if m.loose = likelyLast && len(m.runs) <= cheap; m.loose {
		m.gen = h.gen
		return
	}
	m.tails = slices.Grow(m.tails, len(m.runs)-len(m.tails))[:len(m.runs)]
	for i := range m.runs {
		if r := &m.runs[i]; r.gen == h.gen {
			m.tails[i] = h.slots[r.slot]
		}
	}
}

// tailLocked is where run i stands.
func (h *hot) tailLocked(m *merge, i int32) *tail {
	if r := &m.runs[i]; r.gen == h.gen {
		return &h.slots[r.slot]
	}
	return &m.tails[i]
}

func (t *tail) time() uint64 { return binary.BigEndian.Uint64(t[:]) }

func (h *hot) beforeLocked(m *merge, a, b head) bool {
	if a.time != b.time {
		return a.time < b.time
	}
	x, y := h.tailLocked(m, a.run), h.tailLocked(m, b.run)
	return x != y && x.compare(y) < 0
}

// siftLocked moves heads[i] down the heap to where it belongs.
func (h *hot) siftLocked(m *merge, i int) {
	heads := m.heads
	for {
		least := i
		for down := 2*i + 1; down <= 2*i+2 && down < len(heads); down++ {
			if h.beforeLocked(m, heads[down], heads[least]) {
				least = down
			}
		}
		if least == i {
			return
		}
		heads[i], heads[least] = heads[least], heads[i]
		i = least
	}
}

// unseen returns the lookup keys without those whose event is in memory and
// comes before from: a scan that has come that far has seen it.
func (h *hot) unseen(keys [][]byte, from *tail) (rest [][]byte) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var memory []uint32
	for _, key := range keys {
		list := h.postings.list(h.hash(key), &memory)
		memory = memory[:0]
		if len(list) == 0 || h.slots[list[0]].compare(from) >= 0 {
			rest = append(rest, key)
		}
	}
	return rest
}
