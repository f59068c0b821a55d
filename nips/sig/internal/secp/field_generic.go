package secp

import "math/bits"

// The field operations in pure Go. Inputs are any 256-bit values, and so are
// the results; d may be a or b.

func addGeneric(d, a, b *Element) {
	r0, c := bits.Add64(a[0], b[0], 0)
	r1, c := bits.Add64(a[1], b[1], c)
	r2, c := bits.Add64(a[2], b[2], c)
	r3, c := bits.Add64(a[3], b[3], c)
	r0, c = bits.Add64(r0, foldConst&-c, 0)
	r1, c = bits.Add64(r1, 0, c)
	r2, c = bits.Add64(r2, 0, c)
	r3, c = bits.Add64(r3, 0, c)
	// A second carry leaves a value below foldConst: limb 0 has room.
	d[0], d[1], d[2], d[3] = r0+foldConst&-c, r1, r2, r3
}

func subGeneric(d, a, b *Element) {
	r0, c := bits.Sub64(a[0], b[0], 0)
	r1, c := bits.Sub64(a[1], b[1], c)
	r2, c := bits.Sub64(a[2], b[2], c)
	r3, c := bits.Sub64(a[3], b[3], c)
	r0, c = bits.Sub64(r0, foldConst&-c, 0)
	r1, c = bits.Sub64(r1, 0, c)
	r2, c = bits.Sub64(r2, 0, c)
	r3, c = bits.Sub64(r3, 0, c)
	// A second borrow leaves a value of at least 2^256 - foldConst.
	d[0], d[1], d[2], d[3] = r0-foldConst&-c, r1, r2, r3
}

// halfGeneric adds p to an odd value, which makes it even, and shifts.
func halfGeneric(d, a *Element) {
	odd := -(a[0] & 1)
	r0, c := bits.Add64(a[0], Prime[0]&odd, 0)
	r1, c := bits.Add64(a[1], odd, c)
	r2, c := bits.Add64(a[2], odd, c)
	r3, c := bits.Add64(a[3], odd, c)
	d[0], d[1], d[2], d[3] = r0>>1|r1<<63, r1>>1|r2<<63, r2>>1|r3<<63, r3>>1|c<<63
}

// mulGeneric is schoolbook multiplication, row by row, then reduceWide.
func mulGeneric(d, a, b *Element) {
	b0, b1, b2, b3 := b[0], b[1], b[2], b[3]

	x := a[0]
	h0, r0 := bits.Mul64(x, b0)
	h1, l1 := bits.Mul64(x, b1)
	h2, l2 := bits.Mul64(x, b2)
	h3, l3 := bits.Mul64(x, b3)
	r1, c := bits.Add64(h0, l1, 0)
	r2, c := bits.Add64(h1, l2, c)
	r3, c := bits.Add64(h2, l3, c)
	r4 := h3 + c

	x = a[1]
	h0, l0 := bits.Mul64(x, b0)
	h1, l1 = bits.Mul64(x, b1)
	h2, l2 = bits.Mul64(x, b2)
	h3, l3 = bits.Mul64(x, b3)
	r1, c = bits.Add64(r1, l0, 0)
	r2, c = bits.Add64(r2, l1, c)
	r3, c = bits.Add64(r3, l2, c)
	r4, c = bits.Add64(r4, l3, c)
	r5 := h3 + c
	r2, c = bits.Add64(r2, h0, 0)
	r3, c = bits.Add64(r3, h1, c)
	r4, c = bits.Add64(r4, h2, c)
	r5 += c

	x = a[2]
	h0, l0 = bits.Mul64(x, b0)
	h1, l1 = bits.Mul64(x, b1)
	h2, l2 = bits.Mul64(x, b2)
	h3, l3 = bits.Mul64(x, b3)
	r2, c = bits.Add64(r2, l0, 0)
	r3, c = bits.Add64(r3, l1, c)
	r4, c = bits.Add64(r4, l2, c)
	r5, c = bits.Add64(r5, l3, c)
	r6 := h3 + c
	r3, c = bits.Add64(r3, h0, 0)
	r4, c = bits.Add64(r4, h1, c)
	r5, c = bits.Add64(r5, h2, c)
	r6 += c

	x = a[3]
	h0, l0 = bits.Mul64(x, b0)
	h1, l1 = bits.Mul64(x, b1)
	h2, l2 = bits.Mul64(x, b2)
	h3, l3 = bits.Mul64(x, b3)
	r3, c = bits.Add64(r3, l0, 0)
	r4, c = bits.Add64(r4, l1, c)
	r5, c = bits.Add64(r5, l2, c)
	r6, c = bits.Add64(r6, l3, c)
	r7 := h3 + c
	r4, c = bits.Add64(r4, h0, 0)
	r5, c = bits.Add64(r5, h1, c)
	r6, c = bits.Add64(r6, h2, c)
	r7 += c

	reduceWide(d, r0, r1, r2, r3, r4, r5, r6, r7)
}

// sqrGeneric adds the six mixed products once, doubles them and adds the
// squares.
func sqrGeneric(d, a *Element) {
	a0, a1, a2, a3 := a[0], a[1], a[2], a[3]

	h01, r1 := bits.Mul64(a0, a1)
	h02, l02 := bits.Mul64(a0, a2)
	h03, l03 := bits.Mul64(a0, a3)
	h12, l12 := bits.Mul64(a1, a2)
	h13, l13 := bits.Mul64(a1, a3)
	h23, l23 := bits.Mul64(a2, a3)
	r2, c := bits.Add64(h01, l02, 0)
	r3, c := bits.Add64(h02, l03, c)
	r4, c := bits.Add64(h03, l13, c)
	r5, c := bits.Add64(h13, l23, c)
	r6 := h23 + c
	r3, c = bits.Add64(r3, l12, 0)
	r4, c = bits.Add64(r4, h12, c)
	r5, c = bits.Add64(r5, 0, c)
	r6 += c

	r7 := r6 >> 63
	r6 = r6<<1 | r5>>63
	r5 = r5<<1 | r4>>63
	r4 = r4<<1 | r3>>63
	r3 = r3<<1 | r2>>63
	r2 = r2<<1 | r1>>63
	r1 <<= 1

	h0, r0 := bits.Mul64(a0, a0)
	h1, l1 := bits.Mul64(a1, a1)
	h2, l2 := bits.Mul64(a2, a2)
	h3, l3 := bits.Mul64(a3, a3)
	r1, c = bits.Add64(r1, h0, 0)
	r2, c = bits.Add64(r2, l1, c)
	r3, c = bits.Add64(r3, h1, c)
	r4, c = bits.Add64(r4, l2, c)
	r5, c = bits.Add64(r5, h2, c)
	r6, c = bits.Add64(r6, l3, c)
	r7 += h3 + c

	reduceWide(d, r0, r1, r2, r3, r4, r5, r6, r7)
}

// reduceWide folds a 512-bit product: limbs 4-7 times foldConst go to limbs
// 0-3, the 35 bits that stick out once more, and a last carry.
func reduceWide(d *Element, r0, r1, r2, r3, r4, r5, r6, r7 uint64) {
	h4, l4 := bits.Mul64(r4, foldConst)
	h5, l5 := bits.Mul64(r5, foldConst)
	h6, l6 := bits.Mul64(r6, foldConst)
	h7, l7 := bits.Mul64(r7, foldConst)
	r0, c := bits.Add64(r0, l4, 0)
	r1, c = bits.Add64(r1, l5, c)
	r2, c = bits.Add64(r2, l6, c)
	r3, c = bits.Add64(r3, l7, c)
	top := h7 + c
	r1, c = bits.Add64(r1, h4, 0)
	r2, c = bits.Add64(r2, h5, c)
	r3, c = bits.Add64(r3, h6, c)
	top += c

	hi, lo := bits.Mul64(top, foldConst)
	r0, c = bits.Add64(r0, lo, 0)
	r1, c = bits.Add64(r1, hi, c)
	r2, c = bits.Add64(r2, 0, c)
	r3, c = bits.Add64(r3, 0, c)
	// A carry leaves a value below 2^69: limb 1 has room for the next.
	r0, c = bits.Add64(r0, foldConst&-c, 0)
	d[0], d[1], d[2], d[3] = r0, r1+c, r2, r3
}
