package geo

import (
	"errors"
	"fmt"
	"math"

	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"

	"moa/nips/geohash"
)

// earthRadius is the mean radius of the earth, in km.
const earthRadius = 6371.0088

// Shape is a part of the earth.
type Shape interface {
	// compare may answer Partly of a cell that lies in or out, as long as it
	// comes to the right answer when the cell is divided again and again.
	compare(x *cell) Relation
	contains(p place) bool
}

type prefix span

// Prefix is the cell of a geohash.
func Prefix(hash string) (Shape, error) {
	if !geohash.Valid(hash) {
		return nil, notGeohash(hash)
	}
	return prefix(spanOf(hash)), nil
}

// notGeohash says what is wrong with a string that is no geohash.
func notGeohash(s string) error {
	switch {
	case s == "":
		return errors.New(`"" is not a geohash`)
	case len(s) > geohash.MaxLen:
		return fmt.Errorf("%q is not a geohash (more than %d letters)", s, geohash.MaxLen)
	}
	for _, r := range s {
		if r > 127 || !geohash.Valid(string(r)) {
			return fmt.Errorf("%q is not a geohash (letter %c)", s, r)
		}
	}
	return fmt.Errorf("%q is not a geohash", s)
}

func (p prefix) compare(x *cell) Relation {
	s := x.span()
	switch {
	case s.hi <= p.lo || p.hi <= s.lo:
		return Outside
	case p.lo <= s.lo && s.hi <= p.hi:
		return Inside
	}
	return Partly
}

func (p prefix) contains(at place) bool {
	s := spanOf(geohash.Encode(at.lat, at.lon, geohash.MaxLen))
	return p.lo <= s.lo && s.lo < p.hi
}

type circle struct {
	centre s2.Point
	radius s1.Angle
}

// Circle is everything within so many km of a place.
func Circle(lat, lon, km float64) (Shape, error) {
	if err := checkPlace(lat, lon); err != nil {
		return nil, err
	}
	if !(km > 0 && km <= earthRadius*math.Pi) {
		return nil, fmt.Errorf("a circle of %v km: want more than 0 and at most half way round the earth", km)
	}
	return circle{place{lat, lon}.point(), s1.Angle(km / earthRadius)}, nil
}

func checkPlace(lat, lon float64) error {
	if !(lat >= -90 && lat <= 90) {
		return fmt.Errorf("latitude %v is not from -90 to 90", lat)
	}
	if !(lon >= -180 && lon <= 180) {
		return fmt.Errorf("longitude %v is not from -180 to 180", lon)
	}
	return nil
}

func (c circle) compare(x *cell) Relation {
	around := x.circle()
	d := c.centre.Distance(around.centre)
	switch {
	case d+around.radius <= c.radius:
		return Inside
	case d-around.radius > c.radius:
		return Outside
	}
	return Partly
}

func (c circle) contains(at place) bool { return c.centre.Distance(at.point()) <= c.radius }

type box struct{ south, west, north, east float64 }

// Box is a rectangle in degrees. A west that is greater than east crosses the
// antimeridian.
func Box(south, west, north, east float64) (Shape, error) {
	if err := errors.Join(checkPlace(south, west), checkPlace(north, east)); err != nil {
		return nil, err
	}
	if south >= north || west == east {
		return nil, fmt.Errorf("a box from %v, %v to %v, %v is empty: want south < north, and west apart from east", south, west, north, east)
	}
	return box{south, west, north, east}, nil
}

func (b box) compare(x *cell) Relation {
	if x.north <= b.south || b.north <= x.south {
		return Outside
	}
	across := b.acrossCompare(x.west, x.east)
	if across == Inside && (x.south < b.south || b.north < x.north) {
		return Partly
	}
	return across
}

// acrossCompare compares longitudes alone.
func (b box) acrossCompare(west, east float64) Relation {
	in := func(w, e float64) Relation {
		switch {
		case east <= w || e <= west:
			return Outside
		case w <= west && east <= e:
			return Inside
		}
		return Partly
	}
	if b.west < b.east {
		return in(b.west, b.east)
	}
	return max(in(b.west, 180), in(-180, b.east))
}

func (b box) contains(p place) bool {
	if p.lat < b.south || p.lat > b.north {
		return false
	}
	if b.west < b.east {
		return b.west <= p.lon && p.lon <= b.east
	}
	return p.lon >= b.west || p.lon <= b.east
}
