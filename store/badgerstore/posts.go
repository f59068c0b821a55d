package badgerstore

import "slices"

// posts are lists of slots by the hash of a key's prefix, oldest first. Two
// prefixes may share a hash: what is found is checked against the filter
// anyway. Most lists have one entry, and are as small as that.
type posts struct {
	byHash map[uint64]post
	many   [][]uint32 // lists of more than one entry
	free   []uint32   // of many
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
		return p.many[at&^manyBit]
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
	*list = slices.Insert(*list, place(*list), slot)
}

// makeMany makes a list of one entry that can take more.
func (p *posts) makeMany(slot uint32) post {
	if n := len(p.free); n > 0 {
		at := p.free[n-1]
		p.free = p.free[:n-1]
		p.many[at] = append(p.many[at], slot)
		return post(at) | manyBit
	}
	p.many = append(p.many, append(make([]uint32, 0, 2), slot))
	return post(len(p.many)-1) | manyBit
}

// remove removes slot, which stands where place says.
func (p *posts) remove(hash uint64, slot uint32, place func(list []uint32) int) {
	at := p.byHash[hash]
	if at&manyBit == 0 {
		delete(p.byHash, hash)
		return
	}
	list := p.many[at&^manyBit]
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
			if i := slices.Index(p.many[at&^manyBit], slot); i >= 0 {
				p.removeAt(hash, at, i)
				n++
			}
		}
	}
	return n
}

// removeAt removes an entry of a list of several.
func (p *posts) removeAt(hash uint64, at post, i int) {
	list := &p.many[at&^manyBit]
	if i == 0 {
		*list = (*list)[1:]
	} else {
		*list = slices.Delete(*list, i, i+1)
	}
	if len(*list) == 1 {
		p.byHash[hash] = post((*list)[0])
		*list = nil
		p.free = append(p.free, uint32(at&^manyBit))
	}
}
