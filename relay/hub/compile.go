package hub

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"moa/nips/event"
)

// compiled is a filter taken apart.
type compiled struct {
	*event.Filter
	key  key
	by   handle
	tag  int           // which of Tags, if by tag
	rest *event.Filter // what the handle, the kinds and the time window leave to ask; nil: nothing
}

// handle is the field by whose values a filter is found.
type handle uint8

const (
	byID handle = iota
	byAuthor
	byTag
	byKind
	byNothing
)

// key tells filters apart, time windows and limits aside: the first half of a
// sha256, so that nobody can make a filter that passes for another's.
type key [16]byte

// compile takes f apart. f matches some event, and is not changed any more.
func compile(f *event.Filter) compiled {
	c := compiled{Filter: f, key: keyOf(f)}
	rest := event.Filter{IDs: f.IDs, Authors: f.Authors, Tags: f.Tags}
	tag, tagCost := narrowestTag(f.Tags)
	switch {
	case f.IDs != nil:
		c.by, rest.IDs = byID, nil
	case f.Authors != nil && len(f.Authors) <= tagCost:
		c.by, rest.Authors = byAuthor, nil
	case len(f.Tags) > 0:
		c.by, c.tag = byTag, tag
		rest.Tags = slices.Delete(slices.Clone(f.Tags), tag, tag+1)
	case f.Kinds != nil:
		c.by = byKind
	default:
		c.by = byNothing
	}
	if rest.IDs != nil || rest.Authors != nil || len(rest.Tags) > 0 {
		c.rest = &rest
	}
	return c
}

// window is when an event that f asks for may have been made, inclusive.
func (c *compiled) window() (since, until int64) {
	if c.HasUntil {
		return c.Since, c.Until
	}
	return c.Since, math.MaxInt64
}

// tagValues are the handle's values, if it is a tag.
func (c *compiled) tagValues() []tagValue {
	t := c.Tags[c.tag]
	out := make([]tagValue, 0, len(t.Values)+len(t.Regions))
	for _, v := range t.Values {
		out = append(out, tagValue{name: t.Name, value: v})
	}
	for _, v := range t.Regions {
		out = append(out, tagValue{name: t.Name, region: true, value: v})
	}
	return out
}

// narrowestTag returns which tag promises the fewest events, and what number
// of authors it is as good as.
func narrowestTag(tags []event.TagFilter) (best, cost int) {
	cost = math.MaxInt
	for i, t := range tags {
		n := len(t.Values)
		switch t.Name {
		case 'e', 'p', 'a', 'q', 'E', 'P', 'A': // name one event, person or address
		default:
			n *= broad
		}
		n += len(t.Regions) * broad * broad
		if n < cost {
			best, cost = i, n
		}
	}
	return best, cost
}

// broad is how many authors' worth of events a hashtag or the like may bring.
const broad = 16

func keyOf(f *event.Filter) (k key) {
	b := make([]byte, 0, 128+32*len(f.IDs)+32*len(f.Authors))
	count := func(n int, present bool) {
		if present {
			n++ // an absent list is not an empty one
		}
		b = binary.AppendUvarint(b, uint64(n))
	}
	count(len(f.IDs), f.IDs != nil)
	for i := range f.IDs {
		b = append(b, f.IDs[i][:]...)
	}
	count(len(f.Authors), f.Authors != nil)
	for i := range f.Authors {
		b = append(b, f.Authors[i][:]...)
	}
	count(len(f.Kinds), f.Kinds != nil)
	for _, kind := range f.Kinds {
		b = binary.BigEndian.AppendUint16(b, kind)
	}
	for _, t := range f.Tags {
		b = append(b, t.Name)
		for _, list := range [][]string{t.Values, t.Regions} {
			count(len(list), true)
			for _, v := range list {
				count(len(v), true)
				b = append(b, v...)
			}
		}
	}
	sum := sha256.Sum256(b)
	copy(k[:], sum[:])
	return k
}
