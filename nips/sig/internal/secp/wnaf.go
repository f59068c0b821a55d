package secp

import "math/bits"

// nafLen is the number of digits of a wNAF: the digits of a value below 2^131
// end at most at position 131.
const nafLen = 132

// naf is a width-w non-adjacent form: value = sum of digits[i] * 2^i, each
// digit 0 or odd with |digit| < 2^(w-1), and at most one in w in a row is not
// 0.
type naf [nafLen]int16

// set recodes k, 0 <= k < 2^130, negated if negative, and returns the number
// of digits up to the last that is not 0. Width is 2..13.
func (d *naf) set(k *Int192, negative bool, width uint) int {
	*d = naf{}
	n := 0
	carry := uint64(0)
	for i := uint(0); i < nafLen; {
		window := k.bitsFrom(i)
		// Bits equal to the carry give digits of 0.
		if zeros := bits.TrailingZeros64(window ^ -carry); zeros > 0 {
			i += uint(zeros)
			continue
		}
		digit := window&(1<<width-1) + carry
		carry = digit >> (width - 1)
		signed := int16(digit) - int16(carry<<width)
		if negative {
			signed = -signed
		}
		d[i] = signed
		n = int(i) + 1
		i += width
	}
	return n
}

// bitsFrom returns 64 bits of k >= 0 from bit i on.
func (a *Int192) bitsFrom(i uint) uint64 {
	w, s := i/64, i%64
	if w >= 3 {
		return 0
	}
	b := a[w] >> s
	if w < 2 {
		b |= a[w+1] << (64 - s)
	}
	return b
}
