package geo

import "moa/nips/geohash"

// Cover returns geohashes, of lengths that differ, that together hold a shape
// and not much else. There are at most so many, or 32 if that is more. It looks
// at 32 cells for each of them and each length, and so costs about the same for
// every shape.
func Cover(s Shape, most int) []string {
	most = max(most, len(geohash.Alphabet))
	edge := meeting(s, []cell{world})
	var inside []cell
	for length := 1; length < coverLength; length++ {
		var in, rim []cell
		for _, x := range edge {
			if s.compare(&x) == Inside {
				in = append(in, x)
			} else {
				rim = append(rim, x)
			}
		}
		next := meeting(s, rim)
		if len(inside)+len(in)+len(next) > most {
			break
		}
		inside, edge = append(inside, in...), next
	}
	var hashes []string
	for _, x := range append(inside, edge...) {
		hashes = append(hashes, hashOf(x.code>>(codeBits-x.bits), x.bits/5))
	}
	return hashes
}

// coverLength is the longest geohash of a cover: 153 m.
const coverLength = 7

// meeting returns those of the cells one character finer that meet the shape.
func meeting(s Shape, cells []cell) (all []cell) {
	for _, x := range cells {
		parts := []cell{x}
		for range 5 {
			var halves []cell
			for i := range parts {
				for _, half := range parts[i].divide() {
					if s.compare(&half) != Outside {
						halves = append(halves, half)
					}
				}
			}
			parts = halves
		}
		all = append(all, parts...)
	}
	return all
}

// HasCentre reports whether the middle of a valid geohash's cell is in the
// shape.
func HasCentre(s Shape, hash string) bool {
	box, ok := geohash.Decode(hash)
	lat, lon := box.Centre()
	return ok && s.contains(place{lat, lon})
}
