package badgerstore

import (
	"bytes"
	"slices"

	"moa/nips/geohash"
)

// maxCell is the longest text of a tag that holds a geohash: "geo:" and 12
// characters.
const maxCell = 4 + geohash.MaxLen

// maxSpelled is how many cells stand for the regions of a filter. Each is a list
// of its own, and takes a few microseconds to find.
const maxSpelled = 1024

// unlisted reports that the regions asked for have no lists of their own, as
// those of `#g` have (see region.go).
func (t *tagMatcher) unlisted() bool { return t.filter != nil && t.letter != 'g' }

// spellOut completes the plans that ask for unlisted regions: by the lists of
// the cells in them that there are, or, if those are too many, by what else the
// filter asks for. A cell that is there later belongs to later events than the
// scan must find.
func (sc *scan) spellOut() error {
	for _, p := range sc.parts {
		if p.spell == nil {
			continue
		}
		r := sc.s.newReader(sc.q.Bulk)
		lists, all := r.spell(p.spell)
		r.close()
		own := p.lists
		if all {
			p.lists, p.exact = lists, p.privacy == nil && len(p.tags) == 1 && !slices.ContainsFunc(p.spell.entries, cutInKey)
		} else {
			p.listWhole(p.asked)
			p.exact = p.exact && p.privacy == nil
		}
		p.public = len(p.lists)
		p.lists = append(p.lists, own...)
		p.spell, p.asked, p.hashed = nil, nil, nil
	}
	return nil
}

// spell returns the prefixes of the lists of the values that a tag filter asks
// for and that there may be, and false if that takes too many, or too long.
func (r *reader) spell(t *tagMatcher) (lists [][]byte, all bool) {
	seeks := 2 * maxSpelled
	for _, entry := range t.entries {
		lists = append(lists, tagPrefix(entry))
	}
	for _, text := range t.filter.Texts() {
		region, ok := bytes.CutSuffix([]byte(text), []byte("*"))
		if !ok {
			continue
		}
		for length := len(region); length <= maxCell; length++ {
			lists = r.cells(lists, t, length, region, &seeks)
			if len(lists) > maxSpelled || seeks <= 0 {
				return nil, false
			}
		}
	}
	return lists, true
}

// cells appends the prefix of each list of a value of that length that begins
// with region. It seeks from one to the next, for as long as there are seeks.
func (r *reader) cells(lists [][]byte, t *tagMatcher, length int, region []byte, seeks *int) [][]byte {
	const head = 3 // keyTag, the letter, the length
	within := append([]byte{keyTag, t.letter, byte(length)}, region...)
	it := r.iterator()
	it.Seek(within)
	for *seeks--; *seeks > 0 && it.ValidForPrefix(within); *seeks-- {
		list := bytes.Clone(it.Item().Key()[:head+length])
		if t.filter.HasValue(string(list[head:])) {
			lists = append(lists, list)
		}
		it.Seek(append(bytes.Clone(list), lastTail[:]...))
	}
	return lists
}
