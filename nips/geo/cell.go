package geo

import (
	"strings"

	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"

	"moa/nips/geohash"
)

// cell is a geohash of any number of bits, by turns of longitude and latitude.
type cell struct {
	code                     uint64 // its bits are the highest of codeBits
	bits                     int
	south, west, north, east float64

	// around is a circle that holds the cell, made when it is first needed.
	around *circleAround
}

type circleAround struct {
	centre s2.Point
	radius s1.Angle
}

// place is a point, in degrees.
type place struct{ lat, lon float64 }

func (p place) point() s2.Point { return s2.PointFromLatLng(s2.LatLngFromDegrees(p.lat, p.lon)) }

var world = cell{south: -90, west: -180, north: 90, east: 180}

func (x *cell) divide() [2]cell {
	low, high := *x, *x
	low.around, high.around = nil, nil
	if x.bits%2 == 0 {
		low.east = (x.west + x.east) / 2
		high.west = low.east
	} else {
		low.north = (x.south + x.north) / 2
		high.south = low.north
	}
	low.bits++
	high.bits++
	high.code |= 1 << (codeBits - high.bits)
	return [2]cell{low, high}
}

func (x *cell) span() span { return span{x.code, x.code + 1<<(codeBits-x.bits)} }

func (x *cell) centre() place { return place{(x.south + x.north) / 2, (x.west + x.east) / 2} }

// circle returns a circle that holds the cell.
func (x *cell) circle() *circleAround {
	if x.around == nil {
		rect := s2.RectFromLatLng(s2.LatLngFromDegrees(x.south, x.west)).AddPoint(s2.LatLngFromDegrees(x.north, x.east))
		if x.bits == 0 {
			rect = s2.FullRect()
		}
		bound := rect.CapBound()
		x.around = &circleAround{bound.Center(), bound.Radius()}
	}
	return x.around
}

var digits = func() (t [256]uint8) {
	for i, c := range geohash.Alphabet {
		t[c] = uint8(i)
	}
	return t
}()

// spanOf returns the span of a valid geohash.
func spanOf(hash string) span {
	code := uint64(0)
	for i := range len(hash) {
		code = code<<5 | uint64(digits[hash[i]])
	}
	shift := codeBits - 5*len(hash)
	return span{code << shift, (code + 1) << shift}
}

// hashOf writes the lowest 5*length bits of v as a geohash.
func hashOf(v uint64, length int) string {
	var b strings.Builder
	for i := length - 1; i >= 0; i-- {
		b.WriteByte(geohash.Alphabet[v>>(5*i)&31])
	}
	return b.String()
}
