package secp

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
)

// timesG returns k*G by btcec, which is infinity for 0.
func timesG(k *btcec.ModNScalar) (a Affine, infinity bool) {
	var p btcec.JacobianPoint
	btcec.ScalarBaseMultNonConst(k, &p)
	if k.IsZero() {
		return a, true
	}
	p.ToAffine()
	a.X.SetBytes(p.X.Bytes())
	a.Y.SetBytes(p.Y.Bytes())
	return a, false
}

func affineOf(f Field, p *Jacobian) Affine {
	var zInv Element
	f.Inv(&zInv, &p.Z)
	return f.scale(&p.X, &p.Y, &zInv)
}

// reference returns s as a btcec scalar.
func reference(s *Scalar) *btcec.ModNScalar {
	var b [32]byte
	for i, limb := range s {
		binary.BigEndian.PutUint64(b[24-8*i:], limb)
	}
	r := new(btcec.ModNScalar)
	r.SetBytes(&b)
	return r
}

func TestAdditionIsComplete(t *testing.T) {
	for name, f := range fields(t) {
		t.Run(name, func(t *testing.T) {
			// a*G + b*G for small a and b, with Z other than 1, among them
			// infinity + b, doublings and inverses.
			for a := -4; a <= 4; a++ {
				for b := -4; b <= 4; b++ {
					if b == 0 {
						continue // q is never infinity
					}
					p, q := small(f, a), small(f, b)
					qa := affineOf(f, &q)
					f.AddAffine(&p, &qa, nil)
					checkPoint(t, f, &p, a+b)
				}
				p := small(f, a)
				f.Double(&p)
				checkPoint(t, f, &p, 2*a)
			}
		})
	}
}

// small returns k*G, made by additions, with a Z that is not 1.
func small(f Field, k int) Jacobian {
	g := Generator
	if k < 0 {
		k = -k
		f.Neg(&g.Y, &g.Y)
	}
	nine := g.Shift(3) // 8G, so that no addition below is a doubling
	var p Jacobian
	for range k {
		f.AddAffine(&p, &nine, nil)
		f.AddAffine(&p, &g, nil)
	}
	f.Neg(&nine.Y, &nine.Y)
	for range k {
		f.AddAffine(&p, &nine, nil)
	}
	return p
}

func checkPoint(t *testing.T, f Field, p *Jacobian, k int) {
	t.Helper()
	s := new(btcec.ModNScalar).SetInt(uint32(max(k, -k)))
	if k < 0 {
		s.Negate()
	}
	want, infinity := timesG(s)
	if p.IsInfinity() != infinity {
		t.Fatalf("%d*G: infinity %t, want %t", k, p.IsInfinity(), infinity)
	}
	if !infinity && affineOf(f, p) != want {
		t.Fatalf("%d*G = %x, want %x", k, affineOf(f, p), want)
	}
}

// The formulas hold for any coordinates, on the curve or not: they are compared
// at the limits of the limbs.
func TestPointFormulasAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for name, f := range fields(t) {
		for range 20_000 {
			p := Jacobian{edgy(r), edgy(r), edgy(r)}
			q := Affine{edgy(r), edgy(r)}
			got, want := p, p
			f.double(&got)
			Field{}.doubleGeneric(&want)
			checkSame(t, name+" double", &got, &want)
			got, want = p, p
			var d, e difference
			f.addHead(&d, &got, &q)
			Field{}.addHeadGeneric(&e, &want, &q)
			if !d.h.Equal(&e.h) || !d.r.Equal(&e.r) {
				t.Fatalf("%s: %x + %x: H, R = %x, want %x", name, p, q, d, e)
			}
			f.addTail(&got, &d)
			Field{}.addTailGeneric(&want, &e)
			checkSame(t, name+" add", &got, &want)
		}
	}
}

func checkSame(t *testing.T, name string, got, want *Jacobian) {
	t.Helper()
	if !got.X.Equal(&want.X) || !got.Y.Equal(&want.Y) || !got.Z.Equal(&want.Z) {
		t.Fatalf("%s: %x, want %x", name, *got, *want)
	}
}

func TestNonceAgreesWithBtcec(t *testing.T) {
	for name, f := range fields(t) {
		t.Run(name, func(t *testing.T) {
			v := NewVerifier(f)
			r := rand.New(rand.NewPCG(11, 12))
			for range 300 {
				d, s, e := edgyScalar(r), edgyScalar(r), edgyScalar(r)
				if d == (Scalar{}) {
					continue
				}
				switch r.IntN(8) { // sG = +-eP
				case 0:
					d, s = Scalar{1}, e
				case 1:
					if d, s = (Scalar{1}), e.Neg(); s == Order {
						s = Scalar{}
					}
				}
				p, _ := timesG(reference(&d))
				got := v.nonce(&s, &e, &p)
				k := reference(&e).Mul(reference(&d)).Negate().Add(reference(&s))
				want, infinity := timesG(k)
				if got.IsInfinity() != infinity {
					t.Fatalf("s=%x e=%x d=%x: infinity %t", s, e, d, !infinity)
				}
				if !infinity && affineOf(f, &got) != want {
					t.Fatalf("s=%x e=%x d=%x: %x, want %x", s, e, d, affineOf(f, &got), want)
				}
			}
		})
	}
}

func TestGeneratorMultiples(t *testing.T) {
	v := NewVerifier(Field{})
	for i := range v.g.low {
		k := new(btcec.ModNScalar).SetInt(uint32(2*i + 1))
		if want, _ := timesG(k); v.g.low[i] != want {
			t.Fatalf("%d*G is wrong", 2*i+1)
		}
		if i%16 > 0 {
			continue
		}
		for range 8 {
			k.Mul(new(btcec.ModNScalar).SetInt(1 << 16))
		}
		if want, _ := timesG(k); v.g.high[i] != want {
			t.Fatalf("%d*2^128*G is wrong", 2*i+1)
		}
	}
}

func BenchmarkTables(b *testing.B) {
	out := make([]Affine, 4096)
	for b.Loop() {
		OddMultiples(out, &Generator)
	}
}
