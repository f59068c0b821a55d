//go:build amd64 && !purego

package ifma

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"moa/nips/sig/internal/secp"
)

// value returns the sum of a lane's digits.
func value(windows []digits, lane int, width uint) *big.Int {
	v := new(big.Int)
	for i := len(windows) - 1; i >= 0; i-- {
		d := int64(windows[i][lane])*2 + 1 - 1<<width
		v.Add(v.Lsh(v, width), big.NewInt(d))
	}
	return v
}

func TestRecodingGivesTheValueBack(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	var p [windowsP]digits
	var g [windowsG]digits
	order := bigOf(secp.Order[:], 64)
	for range 5_000 {
		lane := r.IntN(Lanes)
		k := secp.Int192{r.Uint64() | 1, r.Uint64(), r.Uint64() & 3}
		switch r.IntN(4) {
		case 0:
			k = secp.Int192{^uint64(0), ^uint64(0), 3}
		case 1:
			k = secp.Int192{1}
		}
		want := bigOf(k[:], 64)
		want.Neg(want) // recodeP negates
		if r.IntN(2) == 0 {
			want.Neg(want)
			zero := secp.Int192{}
			zero.Sub(&k)
			k = zero
		}
		recodeP(&p, lane, &k)
		if got := value(p[:], lane, widthP); got.Cmp(want) != 0 {
			t.Fatalf("recodeP(%x) = %x, want %x", k, got, want)
		}
		s := secp.Scalar{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64() >> 1}
		switch r.IntN(4) {
		case 0:
			s = secp.Order
			s[0] -= 1 + r.Uint64N(4)
		case 1:
			s = secp.Scalar{r.Uint64N(4)}
		}
		recodeG(&g, lane, &s)
		got := value(g[:], lane, widthG)
		if got.Mod(got.Sub(got, bigOf(s[:], 64)), order).Sign() != 0 {
			t.Fatalf("recodeG(%x) differs by %x mod n", s, got)
		}
	}
}
