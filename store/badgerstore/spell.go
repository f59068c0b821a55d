package badgerstore

import (
	"bytes"
	"context"
	"slices"
)

// maxSpelled is how many cells stand for the regions of a filter. Each is a list
// of its own, and takes a few microseconds to find.
const maxSpelled = 1024

// unlisted reports that the regions asked for have no lists of their own, as
// those of `#g` have (see region.go).
func (t *tagMatcher) unlisted() bool { return t.filter != nil && t.letter != 'g' }

// spellOut completes the plans that ask for unlisted regions: by the lists of
// the cells in them that there are, or, if those are too many, by what else the
// filter asks for. A cell that is there later belongs to later events than the
// scan must find. It reports whether all are complete; if not, the page is full.
func (sc *scan) spellOut(ctx context.Context, page *page) (all bool, err error) {
	var r *reader
	for _, p := range sc.parts {
		if p.spell == nil {
			continue
		}
		if r == nil {
			r = sc.s.newReader(sc.q.Bulk, &page.work)
			defer r.close()
		}
		for !p.spell.done {
			if page.full() {
				return false, nil
			}
			if err := ctx.Err(); err != nil {
				return false, err
			}
			p.spell.step(r)
		}
		p.spelled()
	}
	return true, nil
}

// spelled takes over what was spelled out.
func (p *part) spelled() {
	own, s := p.lists, p.spell
	if s.tooMany {
		p.listWhole(s.asked)
		p.exact = p.exact && p.privacy == nil
	} else {
		p.lists, p.exact = s.lists, p.privacy == nil && len(p.tags) == 1 && !slices.ContainsFunc(s.tag.entries, cutInKey)
	}
	p.public = len(p.lists)
	p.lists = append(p.lists, own...)
	p.spell = nil
}

// speller finds the lists of the values that a tag filter asks for and that
// there are. It seeks from one to the next, region by region, and of each the
// cells of one length after the other.
type speller struct {
	asked   *matcher
	tag     *tagMatcher
	lists   [][]byte // their prefixes
	regions [][]byte // what is left of them
	length  int      // of the first one's cells
	at      []byte   // where to seek next
	seeks   int
	tooMany bool // or it takes too long
	done    bool
}

func newSpeller(m *matcher, t *tagMatcher) *speller {
	s := &speller{asked: m, tag: t}
	for _, entry := range t.entries {
		s.lists = append(s.lists, tagPrefix(entry))
	}
	for _, text := range t.filter.Texts() {
		if region, ok := bytes.CutSuffix([]byte(text), []byte("*")); ok {
			s.regions = append(s.regions, region)
		}
	}
	s.next()
	return s
}

// next goes on to the next region.
func (s *speller) next() {
	if len(s.regions) == 0 {
		s.done = true
		return
	}
	s.length = len(s.regions[0])
	s.at = s.within()
}

// within is what the keys of the region's cells of that length begin with.
func (s *speller) within() []byte {
	return append([]byte{keyTag, s.tag.letter, byte(s.length)}, s.regions[0]...)
}

// step seeks once.
func (s *speller) step(r *reader) {
	const head = 3 // keyTag, the letter, the length
	it := r.iterator()
	it.Seek(s.at)
	*r.work += seekWork
	if s.seeks++; s.seeks == 2*maxSpelled {
		s.tooMany, s.done = true, true
		return
	}
	if it.ValidForPrefix(s.within()) {
		list := bytes.Clone(it.Item().Key()[:head+s.length])
		if s.tag.filter.HasValue(string(list[head:])) {
			s.lists = append(s.lists, list)
		}
		s.tooMany = len(s.lists) > maxSpelled
		s.done = s.tooMany
		s.at = append(bytes.Clone(list), lastTail[:]...)
		return
	}
	if s.length++; s.length <= maxCell {
		s.at = s.within()
		return
	}
	s.regions = s.regions[1:]
	s.next()
}
