package geohash

// cell is a hash as a place in the grid that the hashes of its length make:
// rows from the south pole, columns from the antimeridian eastward.
type cell struct {
	length      int
	row, column int64
}

// A hash has five bits a character, by turns of longitude and latitude, the
// first of longitude.
func (c cell) columns() int64 { return 1 << ((5*c.length + 1) / 2) }
func (c cell) rows() int64    { return 1 << (5 * c.length / 2) }

// cellOf reads a valid hash.
func cellOf(hash string) cell {
	c := cell{length: len(hash)}
	forColumn := true
	for i := range len(hash) {
		d := int64(digits[hash[i]])
		for bit := 4; bit >= 0; bit-- {
			if forColumn {
				c.column = c.column<<1 | d>>bit&1
			} else {
				c.row = c.row<<1 | d>>bit&1
			}
			forColumn = !forColumn
		}
	}
	return c
}

// hash undoes cellOf, from the last bit to the first.
func (c cell) hash() string {
	var out [MaxLen]byte
	forColumn := c.length%2 == 1 // an odd number of bits ends with longitude
	for i := c.length - 1; i >= 0; i-- {
		d := int64(0)
		for bit := range 5 {
			if forColumn {
				d |= c.column & 1 << bit
				c.column >>= 1
			} else {
				d |= c.row & 1 << bit
				c.row >>= 1
			}
			forColumn = !forColumn
		}
		out[i] = Alphabet[d]
	}
	return string(out[:c.length])
}
