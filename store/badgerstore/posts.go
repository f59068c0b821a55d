package badgerstore

import "slices"

// posts are lists of slots by the hash of a key's prefix, oldest first. Two
// prefixes may share a hash: what is found is checked against the filter
// anyway. Most lists have one entry, and are as small as that.
type posts struct {
	byHash map[uint64]post
	many   []many   // lists of more than one entry
	free   []uint32 // of many
}

// post is a slot, or with manyBit the place in many of a list of slots.
type post uint32

const manyBit = post(1) << 31

func newPosts() posts { return posts{byHash: map[uint64]post{}} }

func (p *posts) len() int { return len(p.byHash) }

// list returns the list, which must not be changed. One of one entry it appends
// to the memory that it is given.
func (p *posts) list(hash uint64, memory *[]uint32) []uint32 {
	switch at, ok := p.byHash[hash]; {
	case !ok:
		return nil
	case at&manyBit != 0:
		return p.many[at&^manyBit].list()
	default:
		*memory = append(*memory, uint32(at))
		n := len(*memory)
		return (*memory)[n-1 : n : n]
	}
}

// insert inserts slot where place says, unless the list is new.
func (p *posts) insert(hash uint64, slot uint32, place func(list []uint32) int) {
	at, ok := p.byHash[hash]
	switch {
	case !ok:
		p.byHash[hash] = post(slot)
		return
	case at&manyBit == 0:
		at = p.makeMany(uint32(at))
		p.byHash[hash] = at
	}
	list := &p.many[at&^manyBit]
	list.insert(place(list.list()), slot)
}

// makeMany makes a list of one entry that can take more.
func (p *posts) makeMany(slot uint32) post {
	if n := len(p.free); n > 0 {
		at := p.free[n-1]
		p.free = p.free[:n-1]
		p.many[at] = many{buf: []uint32{slot}}
		return post(at) | manyBit
	}
	p.many = append(p.many, many{buf: append(make([]uint32, 0, 2), slot)})
	return post(len(p.many)-1) | manyBit
}

// remove removes slot, which stands where place says.
func (p *posts) remove(hash uint64, slot uint32, place func(list []uint32) int) {
	at := p.byHash[hash]
	if at&manyBit == 0 {
		delete(p.byHash, hash)
		return
	}
	list := p.many[at&^manyBit].list()
	i := 0 // the oldest goes first as a rule
	if list[0] != slot {
		i = place(list)
	}
	p.removeAt(hash, at, i)
}

// removeEverywhere removes slot from all lists, and returns of how many. It goes
// through all.
func (p *posts) removeEverywhere(slot uint32) (n int) {
	for hash, at := range p.byHash {
		switch {
		case at&manyBit == 0 && at == post(slot):
			delete(p.byHash, hash)
			n++
		case at&manyBit != 0:
			if i := slices.Index(p.many[at&^manyBit].list(), slot); i >= 0 {
				p.removeAt(hash, at, i)
				n++
			}
		}
	}
	return n
}

// removeAt removes an entry of a list of several.
func (p *posts) removeAt(hash uint64, at post, i int) {
	m := &p.many[at&^manyBit]
	m.remove(i)
	if list := m.list(); len(list) == 1 {
		p.byHash[hash] = post(list[0])
		*m = many{}
		p.free = append(p.free, uint32(at&^manyBit))
	}
}

// many is a list that grows and shrinks at both ends at little cost: new events
// come at one end and leave at the other, and warming goes the other way.
type many struct {
	buf []uint32
	off uint32 // where the list begins
}

func (m *many) list() []uint32 { return m.buf[m.off:] }

func (m *many) insert(i int, slot uint32) {
	n := len(m.list())
	switch {
	case i == 0:
		if m.off == 0 {
			front := max(2, n/4)
			buf := make([]uint32, front+n)
			copy(buf[front:], m.buf)
			m.buf, m.off = buf, uint32(front)
		}
		m.off--
		m.buf[m.off] = slot
	case len(m.buf) == cap(m.buf) && int(m.off) > n/2: // what has left made room
		copy(m.buf, m.list())
		m.buf, m.off = slices.Insert(m.buf[:n], i, slot), 0
	default:
		m.buf = slices.Insert(m.buf, int(m.off)+i, slot)
	}
}

func (m *many) remove(i int) {
	if i == 0 {
		m.off++
		return
	}
	at := int(m.off) + i
	m.buf = slices.Delete(m.buf, at, at+1)
}
