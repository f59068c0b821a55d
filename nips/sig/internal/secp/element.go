package secp

import (
	"encoding/binary"
	"math/bits"
)

// Element is a residue modulo the field prime p = 2^256 - 2^32 - 977 in four
// little-endian limbs. Any 256-bit value may stand for its residue; Residue
// gives the one below p.
type Element [4]uint64

// foldConst is 2^256 - p: 2^256 folds to it.
const foldConst = 0x1000003D1

// Prime is the field prime p.
var Prime = Element{0xFFFFFFFEFFFFFC2F, ^uint64(0), ^uint64(0), ^uint64(0)}

// SetBytes sets e to a big-endian value and reports whether it is below p.
func (e *Element) SetBytes(b *[32]byte) bool {
	*e = loadBigEndian(b)
	return less((*[4]uint64)(e), (*[4]uint64)(&Prime))
}

// Residue returns the value in [0, p).
func (e *Element) Residue() Element {
	if less((*[4]uint64)(e), (*[4]uint64)(&Prime)) {
		return *e
	}
	return Element(subtract((*[4]uint64)(e), (*[4]uint64)(&Prime)))
}

// IsZero reports whether e is 0 mod p.
func (e *Element) IsZero() bool {
	return *e == Element{} || *e == Prime
}

// Equal reports whether e and o are the same residue.
func (e *Element) Equal(o *Element) bool {
	return e.Residue() == o.Residue()
}

// IsOdd reports whether the residue in [0, p) is odd.
func (e *Element) IsOdd() bool {
	n := e.Residue()
	return n[0]&1 == 1
}

func loadBigEndian(b *[32]byte) [4]uint64 {
	return [4]uint64{
		binary.BigEndian.Uint64(b[24:]),
		binary.BigEndian.Uint64(b[16:]),
		binary.BigEndian.Uint64(b[8:]),
		binary.BigEndian.Uint64(b[:]),
	}
}

// less reports a < b.
func less(a, b *[4]uint64) bool {
	_, borrow := bits.Sub64(a[0], b[0], 0)
	_, borrow = bits.Sub64(a[1], b[1], borrow)
	_, borrow = bits.Sub64(a[2], b[2], borrow)
	_, borrow = bits.Sub64(a[3], b[3], borrow)
	return borrow == 1
}

// subtract returns a - b mod 2^256.
func subtract(a, b *[4]uint64) (d [4]uint64) {
	var borrow uint64
	d[0], borrow = bits.Sub64(a[0], b[0], 0)
	d[1], borrow = bits.Sub64(a[1], b[1], borrow)
	d[2], borrow = bits.Sub64(a[2], b[2], borrow)
	d[3], _ = bits.Sub64(a[3], b[3], borrow)
	return d
}
