package badgerstore

import (
	"moa/nips/event"
	"moa/store"
)

// plan says which keys find every event that a filter matches. What they find
// is checked against the whole filter.
type plan struct {
	lists   [][]byte // prefixes: all keys under one, in the order of their tails
	lookups [][]byte // keys that hold one tail each
	// exact: every key under lists whose tail the filter admits is a match; if they are
	// byAuthor, once one of them has proved to be.
	exact    bool
	byAuthor bool
	// spell is of a tag filter whose regions are not listed: spellOut is to find
	// out which of their cells there are.
	spell *speller
	// splits: the first so many lists are read for public kinds only, the others
	// for private ones.
	splits bool
	public int
}

// maxLookups is up to how many addresses one filter has looked up one by one:
// the profile and two lists of 5000 authors. Kinds times authors times d tags
// may be millions.
const maxLookups = 16 << 10

// planFor picks the index that looks narrowest. aliases tells whether there
// are events with several d tags.
func planFor(m *matcher, aliases bool) (p plan) {
	switch {
	case m.Never():
		return p
	case m.IDs != nil:
		p.lookups = keysOf(m.IDs, 1+short, appendID)
		return p
	case m.Authors != nil && m.Kinds != nil:
		if rest := p.lookUp(m, aliases); rest == 0 {
			return p
		}
	}
	p.list(m)
	return p
}

// lookUp plans the kinds of which an author has one event that can be looked
// up, and returns how many kinds are left.
func (p *plan) lookUp(m *matcher, aliases bool) (rest int) {
	ds := dValues(m)
	for _, kind := range m.Kinds {
		one := []string{""} // d of a replaceable kind
		switch {
		case event.Replaceable(kind):
		case event.Addressable(kind) && ds != nil:
			one = ds
		default:
			rest++
			continue
		}
		if len(p.lookups)+len(one)*len(m.Authors) > maxLookups {
			rest++
			continue
		}
		p.addresses(m, kind, one, aliases && event.Addressable(kind))
	}
	return rest
}

func (p *plan) addresses(m *matcher, kind uint16, ds []string, aliases bool) {
	for _, pk := range m.Authors {
		for _, d := range ds {
			a := store.Address{Kind: kind, PubKey: pk, D: d}
			p.lookups = append(p.lookups, addressKey(keyLatest, a))
			if aliases {
				p.lists = append(p.lists, addressKey(keyAlias, a))
			}
		}
	}
}

func dValues(m *matcher) []string {
	for _, t := range m.Filter.Tags {
		if t.Name == 'd' {
			return t.Values
		}
	}
	return nil
}

// list plans the ordered list that is likely the shortest.
func (p *plan) list(m *matcher) {
	t := m.fewest()
	switch {
	case t != nil && t.unlisted() && m.Authors == nil:
		p.spell = newSpeller(m, t)
	case t != nil && !t.unlisted() && (m.Authors == nil || selective(t.letter)):
		p.exact = len(m.tags) == 1 && m.Authors == nil
		for _, entry := range t.entries {
			p.lists = append(p.lists, tagPrefix(entry))
			p.exact = p.exact && !cutInKey(entry)
		}
		if t.filter != nil {
			p.exact = p.regions(t.filter.Regions) && p.exact
		}
	case m.Authors != nil:
		p.lists = append(p.lists, keysOf(m.Authors, 1+short, appendAuthor)...)
		p.exact, p.byAuthor = len(m.tags) == 0, true
	default:
		p.listWhole(m)
	}
	p.exact = p.exact && len(p.lookups) == 0
}

// listWhole plans the lists of the kinds, or the one of all events.
func (p *plan) listWhole(m *matcher) {
	p.lists = [][]byte{allEvents}
	if m.Kinds != nil && len(m.Kinds) <= maxKinds {
		p.lists = keysOf(m.Kinds, 1+2, appendKind)
	}
	p.exact = len(m.tags) == 0
}

// keysOf makes a key of that size of each value, all in one piece of memory.
func keysOf[T any](values []T, size int, appendKey func([]byte, T) []byte) [][]byte {
	memory := make([]byte, 0, size*len(values))
	keys := make([][]byte, len(values))
	for i, v := range values {
		start := len(memory)
		memory = appendKey(memory, v)
		keys[i] = memory[start:len(memory):len(memory)]
	}
	return keys
}

// maxKinds is up to how many kinds have a list each before all events are
// walked instead.
const maxKinds = 128

// fewest returns the tag filter with the fewest values, of equals the more
// selective.
func (m *matcher) fewest() (best *tagMatcher) {
	for i := range m.tags {
		t := &m.tags[i]
		switch {
		case best != nil && t.unlisted():
		case best == nil,
			best.unlisted(),
			selective(t.letter) && !selective(best.letter),
			selective(t.letter) == selective(best.letter) && t.width() < best.width():
			best = t
		}
	}
	return best
}

// width is about how many values it asks for.
func (t *tagMatcher) width() int {
	n := len(t.entries)
	if t.filter != nil {
		n += regionWidth * len(t.filter.Regions)
	}
	return n
}

// selective reports tags whose values name something that few events are
// about, unlike a person, a topic or a common name.
func selective(letter byte) bool {
	switch letter {
	case 'e', 'E', 'a', 'A', 'q', 'i', 'I', 'h', 'r', 'x':
		return true
	}
	return false
}
