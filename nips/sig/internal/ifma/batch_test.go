//go:build amd64 && !purego

package ifma

import (
	"math/rand/v2"
	"testing"

	"moa/nips/sig/internal/secp"
)

// A lane that meets an addition that the formulas do not cover is neither
// accepted nor refused. Such records cannot be made, so the start of the sums
// is: with Z = 0, all later sums have Z = 0.
func TestUncoveredSumsAreUndecided(t *testing.T) {
	needIFMA(t)
	b := NewBatch()
	pubKey := [32]byte{31: 1} // x = 1 is on the curve
	for lane := range Lanes {
		b.Set(lane, &pubKey, &[32]byte{}, &[64]byte{63: 1})
	}
	if valid, undecided := b.Verify(Lanes); valid != 0 || undecided != 0 {
		t.Fatalf("valid %016b, undecided %016b, want none", valid, undecided)
	}
	b.one.set(3, &secp.Element{})
	b.one.set(11, &secp.Prime)
	if valid, undecided := b.Verify(Lanes); valid != 0 || undecided != 1<<3|1<<11 {
		t.Fatalf("valid %016b, undecided %016b, want lanes 3 and 11", valid, undecided)
	}
	if _, undecided := b.Verify(8); undecided != 1<<3 {
		t.Fatalf("undecided %016b of 8, want lane 3", undecided)
	}
}

// smallMultiple returns k*G, k != 0.
func smallMultiple(k int) secp.Affine {
	odd, shift := max(k, -k), 0
	for ; odd%2 == 0; odd /= 2 {
		shift++
	}
	multiples := make([]secp.Affine, odd/2+1)
	secp.OddMultiples(multiples, &secp.Generator)
	p := multiples[odd/2].Shift(shift)
	if k < 0 {
		var f secp.Field
		f.Neg(&p.Y, &p.Y)
		p.Y = p.Y.Residue()
	}
	return p
}

// setLane sets a lane of p to q, or to infinity, with some z.
func (p *jacobian) setLane(lane int, q *secp.Affine, z *secp.Element) {
	var f secp.Field
	var x, y, z2 secp.Element
	f.Sqr(&z2, z)
	f.Mul(&x, &q.X, &z2)
	f.Mul(&y, &q.Y, &z2)
	f.Mul(&y, &y, z)
	p.x.set(lane, &x)
	p.y.set(lane, &y)
	p.z.set(lane, z)
}

func TestTheSumOfBothProductsIsComplete(t *testing.T) {
	eachGroups(t, 40, func(g groups, lanes int, r *rand.Rand) {
		b := NewBatch()
		var a, c [Lanes]int
		for lane := range lanes {
			a[lane], c[lane] = 1+r.IntN(4), 1+r.IntN(4)
			if r.IntN(2) == 0 {
				c[lane] = -c[lane]
			}
			p, q := smallMultiple(a[lane]), smallMultiple(c[lane])
			b.acc.setLane(lane, &p, &secp.Element{r.Uint64() | 1, r.Uint64()})
			b.accG.setLane(lane, &q, &secp.Element{r.Uint64() | 1, r.Uint64()})
			if r.IntN(4) == 0 { // as s = 0 leaves it
				b.accG.setLane(lane, &q, &secp.Prime)
				b.accG.y.set(lane, &secp.Element{5})
				b.noS |= 1 << lane
				c[lane] = 0
			}
		}
		infinite := b.addSums(g)
		b.toAffine(g)
		for lane := range lanes {
			k := a[lane] + c[lane]
			if (k == 0) != (infinite>>lane&1 == 1) {
				t.Fatalf("%dG + %dG: infinite %016b, lane %d", a[lane], c[lane], infinite, lane)
			}
			if k == 0 {
				continue
			}
			want := smallMultiple(k)
			checkLane(t, "x", &b.sum.x, lane, bigOf(want.X[:], 64), 1)
			checkLane(t, "y", &b.sum.y, lane, bigOf(want.Y[:], 64), 1)
		}
	})
}
