package geo

import (
	"math"
	"math/bits"

	"github.com/golang/geo/r3"
	"github.com/golang/geo/s2"

	"moa/nips/geohash"
)

// Centre returns the geohash of the cell in the middle of the area, as long as
// that cell is no smaller than the area itself; "" if no cell is as large. The
// middle of an area that lies around it, or far apart, is that of its largest
// part.
func (a *Area) Centre() string {
	var sum r3.Vector
	var total float64
	var largest cell
	for _, s := range a.spans {
		for x := range s.parts {
			size := x.size()
			sum = sum.Add(x.centre().point().Mul(size))
			total += size
			if largest.bits == 0 || size > largest.size() {
				largest = x
			}
		}
	}
	middle := largest.centre()
	if sum.Norm() > 1e-9*total {
		ll := s2.LatLngFromPoint(s2.Point{Vector: sum})
		if p := (place{ll.Lat.Degrees(), ll.Lng.Degrees()}); a.contains(p) {
			middle = p
		}
	}
	hash := ""
	for n := 1; n <= geohash.MaxLen; n++ {
		next := geohash.Encode(middle.lat, middle.lon, n)
		box, _ := geohash.Decode(next)
		if (&cell{south: box.South, west: box.West, north: box.North, east: box.East}).size() < total*(1-1e-9) {
			break
		}
		hash = next
	}
	return hash
}

func (a *Area) contains(p place) bool {
	code := spanOf(geohash.Encode(p.lat, p.lon, geohash.MaxLen)).lo
	i := a.search(code)
	return i < len(a.spans) && a.spans[i].lo <= code
}

// parts calls yield for the fewest cells that make up the span.
func (s span) parts(yield func(cell) bool) {
	for lo := s.lo; lo < s.hi; {
		free := min(bits.TrailingZeros64(lo|1<<codeBits), bits.Len64(s.hi-lo)-1)
		x := world
		for range codeBits - free {
			halves := x.divide()
			x = halves[lo>>(codeBits-1-x.bits)&1]
		}
		if !yield(x) {
			return
		}
		lo += 1 << free
	}
}

// size is the cell's share of the sphere, in steradians.
func (x *cell) size() float64 {
	const radians = math.Pi / 180
	return (math.Sin(x.north*radians) - math.Sin(x.south*radians)) * (x.east - x.west) * radians
}
