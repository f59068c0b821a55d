package badgerstore

import "slices"

// postings are lists of slots by the hash of a key's prefix, oldest first. Two
// prefixes may share a hash: what is found is checked against the filter
// anyway. Most lists have one entry, and are as small as that.
type postings struct {
	byHash map[uint64]posting
	long   []longList // lists of more than one entry
	free   []uint32   // of long
}

// posting is a slot, or with longBit the place in long of a list of slots.
type posting uint32

const longBit = posting(1) << 31

func newPostings() postings { return postings{byHash: map[uint64]posting{}} }

func (p *postings) len() int { return len(p.byHash) }

// list returns the list, which must not be changed. One of one entry it appends
// to the memory that it is given.
func (p *postings) list(hash uint64, memory *[]uint32) []uint32 {
	switch at, ok := p.byHash[hash]; {
	case !ok:
		return nil
	case at&longBit != 0:
		return p.long[at&^longBit].list()
	default:
		*memory = append(*memory, uint32(at))
		n := len(*memory)
		return (*memory)[n-1 : n : n]
	}
}

// insert inserts slot where place says, unless the list is new.
func (p *postings) insert(hash uint64, slot uint32, place func(list []uint32) int) {
	at, ok := p.byHash[hash]
	switch {
	case !ok:
		p.byHash[hash] = posting(slot)
		return
	case at&longBit == 0:
		at = p.makeLong(uint32(at))
		p.byHash[hash] = at
	}
	list := &p.long[at&^longBit]
	list.insert(place(list.list()), slot)
}

// makeLong makes a list of one entry that can take more.
func (p *postings) makeLong(slot uint32) posting {
	if n := len(p.free); n > 0 {
		at := p.free[n-1]
		p.free = p.free[:n-1]
		p.long[at] = longList{buf: []uint32{slot}}
		return posting(at) | longBit
	}
	p.long = append(p.long, longList{buf: append(make([]uint32, 0, 2), slot)})
	return posting(len(p.long)-1) | longBit
}

// remove removes slot, which stands where place says.
func (p *postings) remove(hash uint64, slot uint32, place func(list []uint32) int) {
	at := p.byHash[hash]
	if at&longBit == 0 {
		delete(p.byHash, hash)
		return
	}
	list := p.long[at&^longBit].list()
	i := 0 // the oldest goes first as a rule
	if list[0] != slot {
		i = place(list)
	}
	p.removeAt(hash, at, i)
}

// removeEverywhere removes slot from all lists, and returns of how many. It goes
// through all.
func (p *postings) removeEverywhere(slot uint32) (n int) {
	for hash, at := range p.byHash {
		switch {
		case at&longBit == 0 && at == posting(slot):
			delete(p.byHash, hash)
			n++
		case at&longBit != 0:
			if i := slices.Index(p.long[at&^longBit].list(), slot); i >= 0 {
				p.removeAt(hash, at, i)
				n++
			}
		}
	}
	return n
}

// removeAt removes an entry of a list of several.
func (p *postings) removeAt(hash uint64, at posting, i int) {
	m := &p.long[at&^longBit]
	m.remove(i)
	if list := m.list(); len(list) == 1 {
		p.byHash[hash] = posting(list[0])
		*m = longList{}
		p.free = append(p.free, uint32(at&^longBit))
	}
}

// longList is a list that grows and shrinks at both ends at little cost: new events
// come at one end and leave at the other, and warming goes the other way.
type longList struct {
	buf []uint32
	off uint32 // where the list begins
}

func (l *longList) list() []uint32 { return l.buf[l.off:] }

func (l *longList) insert(i int, slot uint32) {
	n := len(l.list())
	switch {
	case i == 0:
		if l.off == 0 {
			front := max(2, n/4)
			buf := make([]uint32, front+n)
			copy(buf[front:], l.buf)
			l.buf, l.off = buf, uint32(front)
		}
		l.off--
		l.buf[l.off] = slot
	case len(l.buf) == cap(l.buf) && int(l.off) > n/2: // what has left made room
		copy(l.buf, l.list())
		l.buf, l.off = slices.Insert(l.buf[:n], i, slot), 0
	default:
		l.buf = slices.Insert(l.buf, int(l.off)+i, slot)
	}
}

func (l *longList) remove(i int) {
	if i == 0 {
		l.off++
		return
	}
	at := int(l.off) + i
	l.buf = slices.Delete(l.buf, at, at+1)
}
