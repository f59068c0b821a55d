package event

import (
	"bytes"
	"slices"
	"strings"

	"moa/nips/geohash"
)

// Filter is a compiled NIP-01 filter. The zero Filter matches every event.
//
// A nil list asks for nothing in that field; a list that is empty but not nil
// matches no event, for "arrays with one or more values" cannot mean it.
// Lists are sorted and hold each value once, as ParseFilter makes them.
type Filter struct {
	IDs     []ID
	Authors []PubKey
	Kinds   []uint16
	Tags    []TagFilter // by name, at most one of each

	Since    int64 // inclusive, Unix seconds
	Until    int64 // inclusive, if HasUntil
	HasUntil bool

	// Limit bounds the stored events only, if HasLimit.
	Limit    int
	HasLimit bool

	Search string // NIP-50

	// Unindexed is the name of a tag of several letters that the filter asks for,
	// as some clients do, "" for none. NIP-01 has relays index tags of one letter:
	// such a filter matches nothing, and its IDs are empty.
	Unindexed string
}

// TagFilter is `#<Name>`: the event has a tag of that name whose first value
// is one of Values, or a geohash in one of Regions.
type TagFilter struct {
	Name   byte // a-z, A-Z
	Values []string
	// Regions are geohashes, none of which is a prefix of another one. They are
	// written with a * behind them, as "u33*" in `#g` and "geo:u33*" in `#i` and
	// `#I`: an extension of NIP-01, in which no geohash ends so.
	Regions []string
}

// Never reports that no event can match.
func (f *Filter) Never() bool {
	if f.IDs != nil && len(f.IDs) == 0 || f.Authors != nil && len(f.Authors) == 0 || f.Kinds != nil && len(f.Kinds) == 0 {
		return true
	}
	for _, t := range f.Tags {
		if len(t.Values) == 0 && len(t.Regions) == 0 {
			return true
		}
	}
	return f.HasUntil && f.Since > f.Until
}

// Matches reports whether e is one of the events f asks for, whatever Limit
// and Search say.
func (f *Filter) Matches(e *Event) bool {
	return e.CreatedAt >= f.Since && (!f.HasUntil || e.CreatedAt <= f.Until) &&
		(f.Kinds == nil || f.HasKind(e.Kind)) &&
		(f.Authors == nil || f.HasAuthor(e.PubKey)) &&
		(f.IDs == nil || f.HasID(e.ID)) &&
		f.matchesTags(e.Tags)
}

// HasID, HasAuthor and HasKind report whether the field's list holds the value.
func (f *Filter) HasID(id ID) bool { return has(f.IDs, id, CompareIDs) }

func (f *Filter) HasAuthor(pk PubKey) bool { return has(f.Authors, pk, ComparePubKeys) }

func (f *Filter) HasKind(kind uint16) bool {
	_, ok := slices.BinarySearch(f.Kinds, kind)
	return ok
}

// few is up to how many values a walk beats a binary search.
const few = 8

func has[T comparable](list []T, v T, compare func(a, b T) int) bool {
	if len(list) <= few {
		return slices.Contains(list, v)
	}
	_, ok := slices.BinarySearchFunc(list, v, compare)
	return ok
}

// CompareIDs and ComparePubKeys order as bytes do.
func CompareIDs(a, b ID) int         { return bytes.Compare(a[:], b[:]) }
func ComparePubKeys(a, b PubKey) int { return bytes.Compare(a[:], b[:]) }

func (f *Filter) matchesTags(tags []Tag) bool {
next:
	for i := range f.Tags {
		t := &f.Tags[i]
		for _, tag := range tags {
			if len(tag) > 1 && len(tag[0]) == 1 && tag[0][0] == t.Name && t.HasValue(tag[1]) {
				continue next
			}
		}
		return false
	}
	return true
}

// HasValue reports whether v is one of the values asked for.
func (t *TagFilter) HasValue(v string) bool {
	if has(t.Values, v, strings.Compare) {
		return true
	}
	if len(t.Regions) == 0 {
		return false
	}
	hash, ok := Cell(t.Name, v)
	return ok && t.InRegion(hash)
}

// InRegion reports whether a geohash is in one of the regions asked for.
func (t *TagFilter) InRegion(hash string) bool {
	// One region is enough to look at: whatever stands between a prefix of hash
	// and hash has that prefix itself, and would not be there.
	i, found := slices.BinarySearch(t.Regions, hash)
	return found || i > 0 && strings.HasPrefix(hash, t.Regions[i-1])
}

// cellPrefix is what stands before a geohash in an `i` or `I` tag (NIP-73).
const cellPrefix = "geo:"

// Cell returns the geohash that the first value of a tag with that name is, by
// which regions find it.
func Cell(name byte, value string) (hash string, ok bool) {
	prefix, ok := cellIn(name)
	if !ok {
		return "", false
	}
	hash, ok = strings.CutPrefix(value, prefix)
	return hash, ok && geohash.Valid(hash)
}

// cellIn returns what stands before a geohash in a tag of that name, and false
// if there are none in such tags.
func cellIn(name byte) (prefix string, ok bool) {
	switch name {
	case 'g':
		return "", true
	case 'i', 'I':
		return cellPrefix, true
	}
	return "", false
}

// Covers reports that f asks for every event that g asks for, Limit and Search
// aside. It may be false where to find out would take long.
func (f *Filter) Covers(g *Filter) bool {
	const most = 64 // values of one list that are compared
	return f.Since <= g.Since && (!f.HasUntil || g.HasUntil && g.Until <= f.Until) &&
		covers(g.IDs, f.IDs == nil, most, f.HasID) &&
		covers(g.Authors, f.Authors == nil, most, f.HasAuthor) &&
		covers(g.Kinds, f.Kinds == nil, most, f.HasKind) &&
		!slices.ContainsFunc(f.Tags, func(t TagFilter) bool {
			i := slices.IndexFunc(g.Tags, func(other TagFilter) bool { return other.Name == t.Name })
			return i < 0 || !covers(g.Tags[i].Values, false, most, t.HasValue) ||
				!covers(g.Tags[i].Regions, g.Tags[i].Regions == nil, most, t.InRegion)
		})
}

// covers reports that all of what is asked for is among what another has.
func covers[T any](asked []T, all bool, most int, has func(T) bool) bool {
	if all {
		return true
	}
	return asked != nil && len(asked) <= most && !slices.ContainsFunc(asked, func(v T) bool { return !has(v) })
}
