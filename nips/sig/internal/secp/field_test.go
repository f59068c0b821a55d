package secp

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

var bigPrime = bigOf(Prime[:])

// bigOf returns the integer of little-endian 64-bit limbs.
func bigOf(limbs []uint64) *big.Int {
	v := new(big.Int)
	for i := len(limbs) - 1; i >= 0; i-- {
		v.Lsh(v, 64)
		v.Or(v, new(big.Int).SetUint64(limbs[i]))
	}
	return v
}

// edgy returns four random limbs that are often all zeros or all ones, or a
// value next to a multiple of p.
func edgy(r *rand.Rand) (e Element) {
	if r.IntN(8) == 0 {
		e = Prime
		if r.IntN(2) == 0 {
			e = Element{}
		}
		addSmall := Element{r.Uint64N(4)}
		if r.IntN(2) == 0 {
			return Element(subtract((*[4]uint64)(&e), (*[4]uint64)(&addSmall)))
		}
		e[0] += addSmall[0]
		return e
	}
	for i := range e {
		switch r.IntN(4) {
		case 0:
			e[i] = ^uint64(0)
		case 1: // zero
		default:
			e[i] = r.Uint64()
		}
	}
	return e
}

// fields are the Fields of this machine.
func fields(t testing.TB) map[string]Field {
	m := map[string]Field{"go": {}}
	if f, ok := ADX(); ok {
		m["adx"] = f
	} else {
		t.Log("SKIPPED: adx: this CPU or build has no MULX and ADX")
	}
	return m
}

func TestFieldAgreesWithBigInt(t *testing.T) {
	for name, f := range fields(t) {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			w := new(big.Int)
			for range 20_000 {
				a, b := edgy(r), edgy(r)
				x, y := bigOf(a[:]), bigOf(b[:])
				check := func(op string, d Element, want *big.Int) {
					t.Helper()
					n := d.Residue()
					if want.Mod(want, bigPrime); bigOf(n[:]).Cmp(want) != 0 {
						t.Fatalf("%s(%x, %x) = %x, want %x", op, a, b, n, want)
					}
				}
				var d Element
				f.Mul(&d, &a, &b)
				check("mul", d, w.Mul(x, y))
				f.Sqr(&d, &a)
				check("sqr", d, w.Mul(x, x))
				f.SqrN(&d, &a, 2)
				check("sqr twice", d, w.Exp(x, big.NewInt(4), bigPrime))
				f.Add(&d, &a, &b)
				check("add", d, w.Add(x, y))
				f.Sub(&d, &a, &b)
				check("sub", d, w.Sub(x, y))
				f.Half(&d, &a)
				f.Add(&d, &d, &d)
				check("twice half", d, w.Set(x))
				d = a
				f.Mul(&d, &d, &d)
				check("mul in place", d, w.Mul(x, x))
				if zero := w.Mod(x, bigPrime).Sign() == 0; a.IsZero() != zero {
					t.Fatalf("IsZero(%x) = %t", a, !zero)
				}
			}
		})
	}
}

func TestInverseAndSquareRoot(t *testing.T) {
	for name, f := range fields(t) {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			for range 500 {
				a := edgy(r)
				var d, one Element
				f.Inv(&d, &a)
				f.Mul(&one, &d, &a)
				if a.IsZero() != d.IsZero() || !a.IsZero() && !one.Equal(&Element{1}) {
					t.Fatalf("Inv(%x) = %x", a, d)
				}
				f.Sqr(&a, &a)
				f.Sqrt(&d, &a)
				f.Sqr(&d, &d)
				if !d.Equal(&a) {
					t.Fatalf("Sqrt(%x)^2 = %x", a, d)
				}
			}
		})
	}
}

func BenchmarkField(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 6))
	x, y := edgy(r), edgy(r)
	for name, f := range fields(b) {
		b.Run("mul/"+name, func(b *testing.B) {
			for b.Loop() {
				f.Mul(&x, &x, &y)
			}
		})
		b.Run("sqr/"+name, func(b *testing.B) { f.SqrN(&x, &x, b.N) })
		b.Run("inv/"+name, func(b *testing.B) {
			for b.Loop() {
				f.Inv(&x, &x)
			}
		})
	}
	var f Field
	b.Run("sub", func(b *testing.B) {
		for b.Loop() {
			f.Sub(&x, &x, &y)
		}
	})
}
