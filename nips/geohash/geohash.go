// Package geohash names rectangles of the earth by base-32 strings, of which
// a longer one lies inside its prefixes. A hash is one of 1 to MaxLen lower-case
// characters, as Valid says; the other functions say what they do with anything else.
package geohash

import (
	"math"
	"strings"
)

// MaxLen is the longest hash there is: a cell of 4 cm by 2 cm.
const MaxLen = 12

// Alphabet is the 32 digits in order: no a, i, l, o.
const Alphabet = "0123456789bcdefghjkmnpqrstuvwxyz"

const none = 0xff

var digits = func() (t [256]byte) {
	for i := range t {
		t[i] = none
	}
	for i := range len(Alphabet) {
		t[Alphabet[i]] = byte(i)
	}
	return t
}()

// Valid reports whether s is a hash.
func Valid(s string) bool {
	if len(s) == 0 || len(s) > MaxLen {
		return false
	}
	for i := range len(s) {
		if digits[s[i]] == none {
			return false
		}
	}
	return true
}

// Box is a rectangle in degrees. It holds its southern and western edge, not
// the other two, but for the north pole.
type Box struct {
	South, West, North, East float64
}

// Centre returns the middle of the box.
func (b Box) Centre() (lat, lon float64) { return (b.South + b.North) / 2, (b.West + b.East) / 2 }

// Decode returns the cell of a hash, and false if it is not valid.
func Decode(hash string) (Box, bool) {
	if !Valid(hash) {
		return Box{}, false
	}
	c := cellOf(hash)
	rows, columns := float64(c.rows()), float64(c.columns())
	return Box{
		South: float64(c.row)*180/rows - 90,
		West:  float64(c.column)*360/columns - 180,
		North: float64(c.row+1)*180/rows - 90,
		East:  float64(c.column+1)*360/columns - 180,
	}, true
}

// Encode returns the hash of that many characters whose cell holds the place,
// in degrees. Latitudes end at the poles, longitudes go round. It returns "" if a
// coordinate is not finite or there is no hash of that length.
func Encode(lat, lon float64, length int) string {
	if length < 1 || length > MaxLen || math.IsInf(lat, 0) || math.IsNaN(lat-lat+lon-lon) {
		return ""
	}
	if lon < -180 || lon >= 180 {
		lon = math.Mod(math.Mod(lon+180, 360)+360, 360) - 180
	}
	c := cell{length: length}
	lat = min(max(lat, -90), 90)
	c.row = min(int64((lat+90)/180*float64(c.rows())), c.rows()-1)
	c.column = min(int64((lon+180)/360*float64(c.columns())), c.columns()-1)
	return c.hash()
}

// Neighbours returns the eight cells around a hash: north first, then
// clockwise. They go round at the antimeridian, and across a pole to the other
// side of the earth. It returns nil if the hash is not valid.
func Neighbours(hash string) []string {
	if !Valid(hash) {
		return nil
	}
	around := [8]struct{ row, column int64 }{{1, 0}, {1, 1}, {0, 1}, {-1, 1}, {-1, 0}, {-1, -1}, {0, -1}, {1, -1}}
	out := make([]string, 0, len(around))
	for _, step := range around {
		c := cellOf(hash)
		c.row += step.row
		c.column += step.column
		switch {
		case c.row < 0:
			c.row, c.column = 0, c.column+c.columns()/2
		case c.row == c.rows():
			c.row, c.column = c.rows()-1, c.column+c.columns()/2
		}
		c.column = (c.column + c.columns()) % c.columns()
		out = append(out, c.hash())
	}
	return out
}

// Contains reports whether the cell inner lies in the cell outer, or is the same.
func Contains(outer, inner string) bool { return strings.HasPrefix(inner, outer) }
