// Package geo says whether a geohash lies in an area of the earth. An area is
// made of prefixes, circles, boxes and polygons, and compiled once into a sorted
// list of cell ranges: an answer is a binary search, whatever the shapes were.
// It knows no policy; it starts no goroutine.
package geo

import (
	"errors"
	"slices"
	"sort"

	"moa/nips/geohash"
)

// Relation is where a cell lies.
type Relation uint8

const (
	Outside Relation = iota
	Partly           // some of the cell is inside, some outside
	Inside
)

// codeBits are the bits of the longest geohash.
const codeBits = 5 * geohash.MaxLen

// maxSpans bounds an area's memory: 16 bytes each. Cells at the rim are divided
// until there would be more, or until they are of minLeaf bits.
const (
	maxSpans = 1 << 15
	minLeaf  = 45 // nine characters, about 5 m
)

// Area is a compiled area. It does not change and may be shared.
type Area struct {
	spans []span // sorted, disjoint, not touching
	leaf  int    // bits of the smallest cells that were looked at
}

// span is a range of 60-bit geohashes: lo and up to hi, without it.
type span struct{ lo, hi uint64 }

var errEmpty = errors.New("the area is empty")

// Compile makes the area of everything in one of include, or of the whole earth
// if include is empty, without what is in one of exclude.
//
// A rim that does not follow cells is followed by cells at least as small as
// Accuracy says, each of which belongs to the side on which its centre lies.
func Compile(include, exclude []Shape) (*Area, error) {
	c := compiler{include: include, exclude: exclude}
	edge := []cell{world}
	bits := 0
	for len(edge) > 0 && bits < minLeaf && len(c.spans)+2*len(edge) <= maxSpans {
		var next []cell
		for _, x := range edge {
			for _, half := range x.divide() {
				switch c.compare(&half) {
				case Inside:
					c.spans = append(c.spans, half.span())
				case Partly:
					next = append(next, half)
				}
			}
		}
		edge = next
		bits++
	}
	for _, x := range edge {
		if c.contains(x.centre()) {
			c.spans = append(c.spans, x.span())
		}
	}
	if len(c.spans) == 0 {
		return nil, errEmpty
	}
	return &Area{spans: merge(c.spans), leaf: bits}, nil
}

type compiler struct {
	include, exclude []Shape
	spans            []span
}

func (c *compiler) compare(x *cell) Relation {
	in := Inside
	if len(c.include) > 0 {
		in = most(c.include, x)
	}
	if in == Outside {
		return Outside
	}
	switch most(c.exclude, x) {
	case Inside:
		return Outside
	case Partly:
		return Partly
	}
	return in
}

// most is how far the cell lies in the shape that holds most of it.
func most(shapes []Shape, x *cell) Relation {
	best := Outside
	for _, s := range shapes {
		best = max(best, s.compare(x))
		if best == Inside {
			break
		}
	}
	return best
}

func (c *compiler) contains(p place) bool {
	in := func(s Shape) bool { return s.contains(p) }
	return (len(c.include) == 0 || slices.ContainsFunc(c.include, in)) && !slices.ContainsFunc(c.exclude, in)
}

// merge sorts spans and joins those that touch.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int {
		if a.lo < b.lo {
			return -1
		}
		return 1
	})
	out := spans[:1]
	for _, s := range spans[1:] {
		if last := &out[len(out)-1]; s.lo <= last.hi {
			last.hi = max(last.hi, s.hi)
		} else {
			out = append(out, s)
		}
	}
	return slices.Clip(out)
}

// Compare says where the cell of a valid geohash lies.
func (a *Area) Compare(hash string) Relation {
	s := spanOf(hash)
	i := a.search(s.lo)
	if i == len(a.spans) || a.spans[i].lo >= s.hi {
		return Outside
	}
	if a.spans[i].lo <= s.lo && s.hi <= a.spans[i].hi {
		return Inside
	}
	return Partly
}

// HasCentre reports whether the middle of a valid geohash's cell is in the area.
func (a *Area) HasCentre(hash string) bool {
	s := spanOf(hash)
	code := s.lo
	if size := s.hi - s.lo; size > 1 {
		// The middle is the corner that one more bit of each direction leads to.
		code |= size>>1 | size>>2
	}
	i := a.search(code)
	return i < len(a.spans) && a.spans[i].lo <= code
}

// search finds the first span that ends behind code.
func (a *Area) search(code uint64) int {
	return sort.Search(len(a.spans), func(i int) bool { return a.spans[i].hi > code })
}

// Accuracy returns how far the rim may be off, in metres: half the height and
// half the width, at the equator, of the smallest cells.
func (a *Area) Accuracy() (northSouth, eastWest float64) {
	const perDegree = earthRadius * 1000 * 3.14159265 / 180
	x := world
	for range a.leaf {
		x = x.divide()[0]
	}
	return (x.north - x.south) / 2 * perDegree, (x.east - x.west) / 2 * perDegree
}

// Prefixes returns geohashes of one length, the longest of which at most n
// cover the area.
func (a *Area) Prefixes(n int) []string {
	var best []string
	for length := 1; length <= geohash.MaxLen; length++ {
		cells := a.cells(length, n)
		if cells == nil {
			break
		}
		best = cells
	}
	return best
}

// cells returns the geohashes of that length that meet the area, nil if there
// are more than n.
func (a *Area) cells(length, n int) []string {
	shift := codeBits - 5*length
	var out []string
	next := uint64(0)
	for _, s := range a.spans {
		for v := max(next, s.lo>>shift); v <= (s.hi-1)>>shift; v++ {
			if len(out) == n {
				return nil
			}
			out = append(out, hashOf(v, length))
			next = v + 1
		}
	}
	return out
}
