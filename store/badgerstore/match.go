package badgerstore

import (
	"bytes"
	"slices"

	"moa/nips/event"
	"moa/nips/geohash"
)

// matcher is a filter compiled for values. It decides exactly as
// event.Filter.Matches does, without parsing anything.
type matcher struct {
	*event.Filter
	tags []tagMatcher
}

// tagMatcher holds a tag filter's values as a value's entries hold them, sorted.
type tagMatcher struct {
	letter  byte
	entries [][]byte
	filter  *event.TagFilter // nil: it asks for no regions
}

func newMatcher(f *event.Filter) matcher {
	m := matcher{Filter: f, tags: make([]tagMatcher, len(f.Tags))}
	for i, t := range f.Tags {
		m.tags[i].letter = t.Name
		m.tags[i].entries = make([][]byte, len(t.Values))
		for j, text := range t.Values {
			m.tags[i].entries[j] = appendEntry(nil, t.Name, text)
		}
		slices.SortFunc(m.tags[i].entries, bytes.Compare)
		if len(t.Regions) > 0 {
			m.tags[i].filter = &f.Tags[i]
		}
	}
	return m
}

// matches decides about a whole record.
func (m *matcher) matches(v value) bool {
	created := v.created()
	return created >= m.Since && (!m.HasUntil || created <= m.Until) &&
		(m.Kinds == nil || m.HasKind(v.kind())) &&
		(m.Authors == nil || m.HasAuthor(*v.pk())) &&
		(m.IDs == nil || m.HasID(*v.id())) &&
		m.matchesTags(v)
}

func (m *matcher) matchesTags(v value) bool {
	for i := range m.tags {
		if !m.tags[i].matches(v) {
			return false
		}
	}
	return true
}

func (t *tagMatcher) matches(v value) bool {
	for b := v.entries(); len(b) > 1; {
		n := min(entrySize(b), len(b))
		if b[0] == t.letter && t.has(b[:n]) {
			return true
		}
		b = b[n:]
	}
	return false
}

func (t *tagMatcher) has(entry []byte) bool {
	if t.filter != nil && entry[1] <= maxCell && t.filter.HasValue(string(entry[2:])) {
		return true
	}
	if len(t.entries) == 1 {
		return bytes.Equal(t.entries[0], entry)
	}
	_, ok := slices.BinarySearchFunc(t.entries, entry, bytes.Compare)
	return ok
}

// admits decides from a tail alone what it can: false, and the event is
// certainly none of those asked for.
func (m *matcher) admits(t *tail) bool {
	created := t.created()
	return created >= m.Since && (!m.HasUntil || created <= m.Until) && (m.Kinds == nil || m.HasKind(t.kind()))
}

// maxCell is the longest text of a tag that holds a geohash: "geo:" and 12
// characters.
const maxCell = 4 + geohash.MaxLen
