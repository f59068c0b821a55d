package secp

import "math/bits"

// GLV (Gallant, Lambert, Vanstone, CRYPTO 2001): the curve has the cheap
// endomorphism (x, y) -> (beta*x, y), which multiplies a point by lambda, where
// beta^3 = 1 mod p and lambda^3 = 1 mod n. A scalar k is split into k1 and k2
// of half its length with k = k1 + k2*lambda mod n, by subtracting from (k, 0)
// a near vector of the lattice {(x, y): x + y*lambda = 0 mod n}, which has the
// short basis (a1, b1), (a2, b2) with a1 = b2. (Guide to Elliptic Curve
// Cryptography, algorithm 3.74.)

// Beta is the cube root of one mod p.
var Beta = Element{0xC1396C28719501EE, 0x9CF0497512F58995, 0x6E64479EAC3434E9, 0x7AE96A2B657C0710}

var (
	latticeA1    = Int192{0xE86C90E49284EB15, 0x3086D221A7D46BCD, 0} // a1 = b2, odd
	latticeNegB1 = Int192{0x6F547FA90ABFE4C3, 0xE4437ED6010E8828, 0} // -b1, odd
	latticeA2    = Int192{0x57C1108D9D44CFD8, 0x14CA50F7A8E2F3F6, 1} // a2, even

	// round(2^384 * b2 / n) and round(2^384 * -b1 / n): multiplying by them
	// and dropping 384 bits divides by n.
	latticeG1 = [4]uint64{0xE893209A45DBB031, 0x3DAA8A1471E8CA7F, 0xE86C90E49284EB15, 0x3086D221A7D46BCD}
	latticeG2 = [4]uint64{0x1571B4AE8AC47F71, 0x221208AC9DF506C6, 0x6F547FA90ABFE4C4, 0xE4437ED6010E8828}
)

// Split returns k1 and k2 with k = k1 + k2*lambda mod n and
// |k1|, |k2| < 2^128.
func Split(k *Scalar) (k1, k2 Int192) {
	c1 := mulShift384((*[4]uint64)(k), &latticeG1)
	c2 := mulShift384((*[4]uint64)(k), &latticeG2)
	k1 = Int192{k[0], k[1], k[2]} // mod 2^192, as all of this
	k1.subMul(&c1, &latticeA1)
	k1.subMul(&c2, &latticeA2)
	k2.subMul(&c2, &latticeA1)
	t := Int192{}
	t.subMul(&c1, &latticeNegB1)
	k2.Sub(&t)
	return k1, k2
}

// SplitOdd is Split with both parts odd and |k1|, |k2| < 2^130: adding a basis
// vector changes neither the sum nor, by much, the size.
func SplitOdd(k *Scalar) (k1, k2 Int192) {
	k1, k2 = Split(k)
	if k1[0]&1 == 0 { // a1 and b1 are odd
		k1.Add(&latticeA1)
		k2.Sub(&latticeNegB1)
	}
	if k2[0]&1 == 0 { // a2 is even, b2 is odd
		k1.Add(&latticeA2)
		k2.Add(&latticeA1)
	}
	return k1, k2
}

// mulShift384 returns round(a*b / 2^384).
func mulShift384(a, b *[4]uint64) Int192 {
	var p [8]uint64
	for i := range 4 {
		var carry uint64
		for j := range 4 {
			hi, lo := bits.Mul64(a[i], b[j])
			var c uint64
			lo, c = bits.Add64(lo, carry, 0)
			hi += c
			p[i+j], c = bits.Add64(p[i+j], lo, 0)
			carry = hi + c
		}
		p[i+4] = carry
	}
	q := Int192{p[6], p[7], 0}
	q.Add(&Int192{p[5] >> 63})
	return q
}

// Int192 is a signed integer in two's complement, little-endian.
type Int192 [3]uint64

// Add sets a = a+b.
func (a *Int192) Add(b *Int192) {
	var c uint64
	a[0], c = bits.Add64(a[0], b[0], 0)
	a[1], c = bits.Add64(a[1], b[1], c)
	a[2], _ = bits.Add64(a[2], b[2], c)
}

// Sub sets a = a-b.
func (a *Int192) Sub(b *Int192) {
	var c uint64
	a[0], c = bits.Sub64(a[0], b[0], 0)
	a[1], c = bits.Sub64(a[1], b[1], c)
	a[2], _ = bits.Sub64(a[2], b[2], c)
}

// subMul sets a = a - b*c mod 2^192.
func (a *Int192) subMul(b, c *Int192) {
	h00, l00 := bits.Mul64(b[0], c[0])
	h01, l01 := bits.Mul64(b[0], c[1])
	h10, l10 := bits.Mul64(b[1], c[0])
	top := b[0]*c[2] + b[1]*c[1] + b[2]*c[0] + h01 + h10
	a.Sub(&Int192{l00, h00, top})
	a.Sub(&Int192{0, l01, 0})
	a.Sub(&Int192{0, l10, 0})
}

// Abs returns |a| and whether a is negative.
func (a *Int192) Abs() (abs Int192, negative bool) {
	if a[2]>>63 == 0 {
		return *a, false
	}
	abs.Sub(a)
	return abs, true
}
