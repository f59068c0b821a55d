//go:build amd64 && !purego

package ifma

import "moa/nips/sig/internal/secp"

// Scalars are recoded to digits that are all odd, so that every lane adds a
// point in every window: an odd k is the sum of d[i] * 2^(w*i) with
// |d[i]| < 2^w odd and the last positive (Joye and Tunstall, AFRICACRYPT 2009;
// regular windows). With u[i] the w bits of k>>1 from bit w*i on, d[i] is
// 2*u[i] + 1 - 2^w, and the last is larger by 2^w.
const (
	widthP   = 4
	windowsP = 33 // of odd |k| < 2^130
	entriesP = 1 << (widthP - 1)

	widthG   = 8
	windowsG = 32 // of odd s < 2^256
	entriesG = 1 << (widthG - 1)
)

// digits are one digit of each lane, as table index (|digit|-1)/2 and sign.
type digits [2]struct {
	index    [groupLanes]uint8
	negative uint8 // a bit per lane
	_        [7]uint8
}

// set sets a lane to the digit of the window value u of the given width.
func (d *digits) set(lane int, u uint64, width uint, negative uint8) {
	g, l := &d[lane/groupLanes], lane%groupLanes
	half := uint64(1) << (width - 1)
	below := u>>(width-1) ^ 1 // 1: the digit is negative
	// Index u-half or, below, half-1-u: the same low bits, inverted.
	g.index[l] = uint8((u ^ -below) & (half - 1))
	g.negative = g.negative&^(1<<l) | (uint8(below)^negative)<<l
}

// recodeP recodes an odd k, |k| < 2^130, negated, into one lane of every
// window.
func recodeP(windows *[windowsP]digits, lane int, k *secp.Int192) {
	abs, isNegative := k.Abs()
	negative := uint8(1)
	if isNegative {
		negative = 0
	}
	lo, hi, top := abs[0]>>1|abs[1]<<63, abs[1]>>1|abs[2]<<63, abs[2]>>1
	for i := range windows {
		u := lo & (1<<widthP - 1)
		lo = lo>>widthP | hi<<(64-widthP)
		hi = hi>>widthP | top<<(64-widthP)
		top >>= widthP
		if i == windowsP-1 {
			u |= 1 << (widthP - 1)
		}
		windows[i].set(lane, u, widthP, negative)
	}
}

// recodeG recodes s into one lane of every window: itself if it is odd, else
// -(n-s). For s = 0 the digits are those of -n, whose sum is infinity: the
// lane comes out as undecided.
func recodeG(windows *[windowsG]digits, lane int, s *secp.Scalar) {
	k, negative := *s, uint8(0)
	if k[0]&1 == 0 {
		k, negative = k.Neg(), 1
	}
	for i := range k {
		w := k[i] >> 1
		if i < 3 {
			w |= k[i+1] << 63
		} else {
			w |= 1 << 63 // the last digit is positive
		}
		for j := range 64 / widthG {
			windows[64/widthG*i+j].set(lane, w&(1<<widthG-1), widthG, negative)
			w >>= widthG
		}
	}
}
