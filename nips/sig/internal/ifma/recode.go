//go:build amd64 && !purego

package ifma

import "moa/nips/sig/internal/secp"

// Scalars are recoded to digits that are all odd, so that every lane adds a
// point in every window: an odd k is the sum of d[i] * 2^(w*i) with |d[i]| < 2^w
// odd. With u[i] the w bits of k>>1 from bit w*i on, d[i] is 2*u[i] + 1 - 2^w,
// and the last is larger by 2^w, for which the high bit of its u is set; it must
// be clear in k. (Joye and Tunstall, "Exponent recoding and regular
// exponentiation algorithms", AFRICACRYPT 2009.)
//
// The high bit of u is set if the digit is positive; then the other bits are the
// table index (|d|-1)/2. A negated digit is u inverted.
const (
	widthP   = 4
	windowsP = 33 // of odd |k| < 2^130
	entriesP = 1 << (widthP - 1)

	widthG   = 8
	windowsG = 32 // of odd s < 2^256
	entriesG = 1 << (widthG - 1)
)

// digits are the u of one window, of each lane.
type digits [Lanes]uint8

// bitsOfDigits returns k>>1 with bit n-1 set, for windows of n bits in all,
// inverted to negate the digits.
func bitsOfDigits(k [4]uint64, n int, negative bool) [4]uint64 {
	b := [4]uint64{
		k[0]>>1 | k[1]<<63,
		k[1]>>1 | k[2]<<63,
		k[2]>>1 | k[3]<<63,
		k[3] >> 1,
	}
	b[(n-1)/64] |= 1 << ((n - 1) % 64)
	if negative {
		for i := range b {
			b[i] = ^b[i]
		}
	}
	return b
}

// recodeP recodes an odd k, |k| < 2^130, negated, into one lane of every
// window.
func recodeP(windows *[windowsP]digits, lane int, k *secp.Int192) {
	abs, negative := k.Abs()
	b := bitsOfDigits([4]uint64{abs[0], abs[1], abs[2]}, widthP*windowsP, !negative)
	const perWord = 64 / widthP // two words, and one digit
	for i, word := range b[:windowsP/perWord] {
		for j := range perWord {
			windows[i*perWord+j][lane] = uint8(word) & (1<<widthP - 1)
			word >>= widthP
		}
	}
	windows[windowsP-1][lane] = uint8(b[2]) & (1<<widthP - 1)
}

// recodeG recodes s into one lane of every window: itself if it is odd, else
// -(n-s). For s = 0 the digits are those of -n, whose sum is infinity.
func recodeG(windows *[windowsG]digits, lane int, s *secp.Scalar) {
	k, negative := *s, s[0]&1 == 0
	if negative {
		k = k.Neg()
	}
	b := bitsOfDigits(k, widthG*windowsG, negative)
	for i, word := range b {
		const perWord = 64 / widthG
		for j := range perWord {
			windows[i*perWord+j][lane] = uint8(word)
			word >>= widthG
		}
	}
}
