package badgerstore

import (
	"bytes"
	"slices"

	"moa/nips/event"
	"moa/store"
)

// privacy is a store.Private compiled for values.
type privacy struct {
	only      *store.Private
	mentioned tagMatcher // the people, in p tags
}

func newPrivacy(p *store.Private) *privacy {
	x := &privacy{p, tagMatcher{letter: 'p', entries: make([][]byte, len(p.People))}}
	for i, pk := range p.People {
		x.mentioned.entries[i] = append([]byte{'p', classHex}, pk[:]...)
	}
	slices.SortFunc(x.mentioned.entries, bytes.Compare)
	return x
}

func (x *privacy) private(kind uint16) bool { return x.only.Has(kind) }

// lets reports whether the query may find v.
func (x *privacy) lets(v value) bool {
	return !x.only.Has(v.kind()) || slices.Contains(x.only.People, *v.pk()) || len(x.only.People) > 0 && x.mentioned.matches(v)
}

// side says which kinds a list is read for.
type side uint8

const (
	allKinds     side = iota
	publicKinds       // those that are not private
	privateKinds      // no others
)

// planFor plans the part. Of a filter that asks for what is other people's,
// private kinds are read from the lists of the query's own people only: how
// many others there are is nobody's business, and would be told by the clock.
func (p *part) planFor(x *privacy, aliases bool) {
	some, all := x.among(p.Kinds)
	if !some {
		p.plan = planFor(&p.matcher, aliases)
		return
	}
	authors, mentioned := p.others(x)
	own := !authors && !mentioned && (p.Authors != nil || p.mentions() != nil)
	switch {
	case p.Never() || p.IDs != nil || own: // a client that asks for an id knows it
		p.plan = planFor(&p.matcher, aliases)
	case all:
		p.plan = plan{lists: p.ownLists(x)}
	case p.Kinds == nil && !authors && !mentioned: // nobody's in particular
		p.plan = planFor(&p.matcher, aliases)
	default:
		p.plan = planFor(p.withoutKinds(x), aliases)
		p.splits, p.public = true, len(p.lists)
		p.lists = append(p.lists, p.ownLists(x)...)
	}
	p.privacy, p.exact = x, false
}

// withoutKinds is the part's matcher without the private kinds that it names.
func (p *part) withoutKinds(x *privacy) *matcher {
	m := p.matcher
	if p.Kinds != nil {
		f := *p.Filter
		f.Kinds = slices.DeleteFunc(slices.Clone(p.Kinds), x.only.Has)
		m.Filter = &f
	}
	return &m
}

// among reports whether some, and whether all, of the kinds that a filter names
// are private.
func (x *privacy) among(kinds []uint16) (some, all bool) {
	if x == nil {
		return false, false
	}
	if kinds == nil {
		return true, false
	}
	some = slices.ContainsFunc(kinds, x.only.Has)
	return some, some && !slices.ContainsFunc(kinds, func(k uint16) bool { return !x.only.Has(k) })
}

// others reports whether the filter names others than the query's people as
// authors, and in p tags.
func (p *part) others(x *privacy) (authors, mentioned bool) {
	authors = slices.ContainsFunc(p.Authors, func(pk event.PubKey) bool { return !slices.Contains(x.only.People, pk) })
	if t := p.mentions(); t != nil {
		mentioned = slices.ContainsFunc(t.entries, func(entry []byte) bool { return !x.mentioned.has(entry) })
	}
	return authors, mentioned
}

// mentions is the filter's `#p`, or nil.
func (p *part) mentions() *tagMatcher {
	i := slices.IndexFunc(p.tags, func(t tagMatcher) bool { return t.letter == 'p' })
	if i < 0 {
		return nil
	}
	return &p.tags[i]
}

// ownLists are those of what the query's people wrote and are mentioned in,
// but for what the filter rules out.
func (p *part) ownLists(x *privacy) (lists [][]byte) {
	authors, mentioned := p.others(x)
	asked := &x.mentioned
	switch t := p.mentions(); {
	case t != nil && !mentioned:
		asked = t
	case p.Authors != nil && !authors:
		return keysOf(p.Authors, 1+short, appendAuthor)
	default:
		for _, pk := range x.only.People {
			if p.Authors == nil || p.HasAuthor(pk) {
				lists = append(lists, appendAuthor(nil, pk))
			}
		}
	}
	for _, entry := range asked.entries {
		lists = append(lists, tagPrefix(entry))
	}
	return lists
}
