package secp

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

var (
	bigOrder  = bigOf(Order[:])
	lambda, _ = new(big.Int).SetString("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72", 16)
)

// signedBig returns the integer of a.
func signedBig(a *Int192) *big.Int {
	abs, negative := a.Abs()
	v := bigOf(abs[:])
	if negative {
		v.Neg(v)
	}
	return v
}

// edgyScalar returns a scalar, often with limbs of zeros or ones, or near a
// multiple of lambda or of the lattice vectors.
func edgyScalar(r *rand.Rand) Scalar {
	e := edgy(r)
	v := bigOf(e[:])
	if r.IntN(4) == 0 {
		v.Mul(big.NewInt(r.Int64N(1000)-500), lambda)
		v.Add(v, big.NewInt(r.Int64N(1000)-500))
	}
	v.Mod(v, bigOrder)
	var b [32]byte
	v.FillBytes(b[:])
	var s Scalar
	s.SetBytes(&b)
	return s
}

func TestSplitIsShortAndRight(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	check := func(name string, k *Scalar, k1, k2 *Int192, bits int) {
		t.Helper()
		x, y := signedBig(k1), signedBig(k2)
		if x.BitLen() > bits || y.BitLen() > bits {
			t.Fatalf("%s(%x) = %x, %x: longer than %d bits", name, *k, x, y, bits)
		}
		sum := new(big.Int).Mul(y, lambda)
		if sum.Mod(sum.Add(sum, x), bigOrder).Cmp(bigOf(k[:])) != 0 {
			t.Fatalf("%s(%x) = %x, %x: k1 + k2*lambda = %x", name, *k, x, y, sum)
		}
	}
	for range 10_000 {
		k := edgyScalar(r)
		k1, k2 := Split(&k)
		check("Split", &k, &k1, &k2, 128)
		k1, k2 = SplitOdd(&k)
		check("SplitOdd", &k, &k1, &k2, 130)
		if k1[0]&k2[0]&1 == 0 {
			t.Fatalf("SplitOdd(%x) = %x, %x: not odd", k, k1, k2)
		}
	}
}

func TestNAFGivesTheValueBack(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	var d naf
	for range 5_000 {
		e := edgy(r)
		k := Int192{e[0], e[1], e[2] & 3} // below 2^130
		width := uint(2 + r.IntN(12))
		negative := r.IntN(2) == 0
		n := d.set(&k, negative, width)
		v, last := new(big.Int), -nafLen
		for i := nafLen - 1; i >= 0; i-- {
			v.Lsh(v, 1)
			v.Add(v, big.NewInt(int64(d[i])))
			if d[i] == 0 {
				continue
			}
			if i >= n || d[i]&1 == 0 || d[i] >= 1<<(width-1) || d[i] <= -1<<(width-1) || last-i < int(width) && last >= 0 {
				t.Fatalf("width %d of %x: digit %d at %d (length %d, digit before at %d)", width, k, d[i], i, n, last)
			}
			last = i
		}
		want := bigOf(k[:])
		if negative {
			want.Neg(want)
		}
		if v.Cmp(want) != 0 {
			t.Fatalf("width %d of %x: digits sum to %x", width, k, v)
		}
	}
}

func TestChallengeIsReduced(t *testing.T) {
	var s Scalar
	b := [32]byte{}
	bigOrder.FillBytes(b[:])
	if s.SetBytes(&b) {
		t.Error("n is taken for a scalar")
	}
	b[31]--
	if !s.SetBytes(&b) {
		t.Error("n-1 is not taken for a scalar")
	}
	if one := s.Neg(); one != (Scalar{1}) {
		t.Errorf("-(n-1) = %x", one)
	}
}
