//go:build amd64 && !purego

package ifma

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"moa/nips/sig/internal/secp"
)

// needIFMA skips a test visibly on a CPU without the instructions.
func needIFMA(tb testing.TB) {
	tb.Helper()
	if !Supported() {
		tb.Skip("SKIPPED: this CPU has no AVX-512 IFMA")
	}
}

var prime = bigOf(secp.Prime[:], 64)

func bigOf(limbs []uint64, width uint) *big.Int {
	v := new(big.Int)
	for i := len(limbs) - 1; i >= 0; i-- {
		v.Lsh(v, width)
		v.Add(v, new(big.Int).SetUint64(limbs[i]))
	}
	return v
}

// limbsAt returns the limbs of a lane.
func (w *wide) limbsAt(lane int) (l limbs) {
	for i := range l {
		l[i] = w[lane/groupLanes][i][lane%groupLanes]
	}
	return l
}

func (w *wide) bigAt(lane int) *big.Int {
	l := w.limbsAt(lane)
	return bigOf(l[:], 52)
}

// The limb bounds of doc.go.
var limbBound = limbs{1 << 52, 1 << 52, 1 << 52, 1 << 52, 1<<48 + 1<<12}

// extreme fills w with carried limbs, most of them at a bound.
func extreme(r *rand.Rand, w *wide) {
	for lane := range Lanes {
		for i, bound := range limbBound {
			v := r.Uint64N(bound)
			switch r.IntN(5) {
			case 0, 1:
				v = bound - 1
			case 2:
				v = 0
			case 3:
				v = bound - 1 - r.Uint64N(20)
			}
			w[lane/groupLanes][i][lane%groupLanes] = v
		}
	}
}

// checkLanes fails the test unless every lane of got is carried and equals
// want, mod p.
func checkLanes(t *testing.T, name string, lanes int, got *wide, want func(lane int) *big.Int) {
	t.Helper()
	for lane := range lanes {
		l := got.limbsAt(lane)
		for i, bound := range limbBound {
			if l[i] >= bound {
				t.Fatalf("%s, lane %d: limb %d is %#x, not below %#x", name, lane, i, l[i], bound)
			}
		}
		w := want(lane)
		w.Mod(w, prime)
		if e := mod(bigOf(l[:], 52)); e.Cmp(w) != 0 {
			t.Fatalf("%s, lane %d: %x, want %x", name, lane, e, w)
		}
	}
}

// eachGroups runs f for one and for two groups of lanes.
func eachGroups(t *testing.T, rounds int, f func(g groups, lanes int, r *rand.Rand)) {
	needIFMA(t)
	for g := groups(1); g <= 2; g++ {
		r := rand.New(rand.NewPCG(21, uint64(g)))
		for range rounds {
			f(g, int(g)*groupLanes, r)
		}
	}
}

func TestFieldKernelsKeepTheLimbBounds(t *testing.T) {
	eachGroups(t, 600, func(g groups, lanes int, r *rand.Rand) {
		var a, b, d wide
		extreme(r, &a)
		extreme(r, &b)
		check := func(name string, want func(x, y *big.Int) *big.Int) {
			t.Helper()
			checkLanes(t, name, lanes, &d, func(lane int) *big.Int { return want(a.bigAt(lane), b.bigAt(lane)) })
		}
		g.mul(&d, &a, &b)
		check("mul", func(x, y *big.Int) *big.Int { return x.Mul(x, y) })
		g.mulPlus7(&d, &a, &b)
		check("mulPlus7", func(x, y *big.Int) *big.Int { return x.Add(x.Mul(x, y), big.NewInt(7)) })
		g.sqr(&d, &a)
		check("sqr", func(x, _ *big.Int) *big.Int { return x.Mul(x, x) })
		g.sqrN(&d, &a, 3)
		check("sqrN", func(x, _ *big.Int) *big.Int { return x.Exp(x, big.NewInt(8), prime) })
		g.sub(&d, &a, &b)
		check("sub", func(x, y *big.Int) *big.Int { return x.Sub(x, y) })
		d = a
		g.mul(&d, &d, &d)
		check("mul in place", func(x, _ *big.Int) *big.Int { return x.Mul(x, x) })
	})
}

// mulPlus7 of factors whose product has a low limb near 2^52: the carry that a
// separate addition of 7 could lose.
func TestMulPlus7Carries(t *testing.T) {
	eachGroups(t, 1, func(g groups, lanes int, r *rand.Rand) {
		var a, one, d wide
		one.setAll(&secp.Element{1})
		for lane := range Lanes {
			a.set(lane, &secp.Element{limbMask - uint64(lane)})
		}
		g.mulPlus7(&d, &a, &one)
		checkLanes(t, "mulPlus7", lanes, &d, func(lane int) *big.Int {
			return new(big.Int).Add(a.bigAt(lane), big.NewInt(7))
		})
	})
}

func TestDoubleKeepsTheLimbBounds(t *testing.T) {
	eachGroups(t, 600, func(g groups, lanes int, r *rand.Rand) {
		var p jacobian
		var temps sumTemps
		extreme(r, &p.x)
		extreme(r, &p.y)
		extreme(r, &p.z)
		before := p
		n := 1 + r.IntN(3)
		g.double(&p, &temps, uint64(n))
		want := func(coordinate int) func(int) *big.Int {
			return func(lane int) *big.Int {
				v := [3]*big.Int{before.x.bigAt(lane), before.y.bigAt(lane), before.z.bigAt(lane)}
				for range n {
					v = bigDouble(v)
				}
				return v[coordinate]
			}
		}
		checkLanes(t, "double x", lanes, &p.x, want(0))
		checkLanes(t, "double y", lanes, &p.y, want(1))
		checkLanes(t, "double z", lanes, &p.z, want(2))
	})
}

func TestAddAffineKeepsTheLimbBounds(t *testing.T) {
	eachGroups(t, 600, func(g groups, lanes int, r *rand.Rand) {
		var p jacobian
		var q affine
		var temps sumTemps
		for _, w := range []*wide{&p.x, &p.y, &p.z, &q.x, &q.y} {
			extreme(r, w)
		}
		before := p
		g.addAffine(&p, &temps, &q)
		want := func(coordinate int) func(int) *big.Int {
			return func(lane int) *big.Int {
				v := [3]*big.Int{before.x.bigAt(lane), before.y.bigAt(lane), before.z.bigAt(lane)}
				return bigAddAffine(v, q.x.bigAt(lane), q.y.bigAt(lane))[coordinate]
			}
		}
		checkLanes(t, "add x", lanes, &p.x, want(0))
		checkLanes(t, "add y", lanes, &p.y, want(1))
		checkLanes(t, "add z", lanes, &p.z, want(2))
		checkLanes(t, "add H", lanes, &temps[0], want(3))
	})
}

// An element has two representations where its value is below 2^256 - p, and
// limb 4 may exceed 2^48: the tests must see through both.
func TestResidueKernels(t *testing.T) {
	eachGroups(t, 600, func(g groups, lanes int, r *rand.Rand) {
		var a, d wide
		extreme(r, &a)
		for lane := range Lanes {
			switch r.IntN(4) {
			case 0: // about 0
				a.set(lane, &secp.Element{r.Uint64N(3)})
			case 1: // about p
				p := secp.Prime
				p[0] += r.Uint64N(5) - 2
				a.set(lane, &p)
			}
		}
		var wantZero, wantOdd uint16
		for lane := range lanes {
			v := mod(a.bigAt(lane))
			wantOdd |= uint16(v.Bit(0)) << lane
			if v.Sign() == 0 {
				wantZero |= 1 << lane
			}
		}
		if zero, odd := g.zeroAndOdd(&a); zero != wantZero || odd != wantOdd {
			t.Fatalf("zeroAndOdd = %016b, %016b, want %016b, %016b of %x", zero, odd, wantZero, wantOdd, a)
		}
		g.even(&d, &a)
		checkLanes(t, "even", lanes, &d, func(lane int) *big.Int {
			v := mod(a.bigAt(lane))
			if v.Bit(0) == 1 {
				v.Neg(v)
			}
			return v
		})
	})
}

// mod returns x mod p for chains of operations.
func mod(x *big.Int) *big.Int { return x.Mod(x, prime) }

func product(factors ...*big.Int) *big.Int {
	v := big.NewInt(1)
	for _, f := range factors {
		mod(v.Mul(v, f))
	}
	return v
}

// bigDouble is the textbook doubling of a Jacobian point for a = 0.
func bigDouble(v [3]*big.Int) [3]*big.Int {
	x, y, z := v[0], v[1], v[2]
	s := product(big.NewInt(4), x, y, y)
	m := product(big.NewInt(3), x, x)
	x3 := mod(new(big.Int).Sub(product(m, m), product(big.NewInt(2), s)))
	y3 := new(big.Int).Sub(product(m, new(big.Int).Sub(s, x3)), product(big.NewInt(8), y, y, y, y))
	return [3]*big.Int{x3, mod(y3), product(big.NewInt(2), y, z)}
}

// bigAddAffine is the textbook mixed addition, and H.
func bigAddAffine(v [3]*big.Int, qx, qy *big.Int) [4]*big.Int {
	x, y, z := v[0], v[1], v[2]
	h := mod(new(big.Int).Sub(product(qx, z, z), x))
	r := mod(new(big.Int).Sub(product(qy, z, z, z), y))
	xhh := product(x, h, h)
	x3 := new(big.Int).Sub(product(r, r), product(h, h, h))
	mod(x3.Sub(x3, product(big.NewInt(2), xhh)))
	y3 := new(big.Int).Sub(product(r, new(big.Int).Sub(xhh, x3)), product(y, h, h, h))
	return [4]*big.Int{x3, mod(y3), product(z, h), h}
}

func TestChooseAndGatherFetchTheDigit(t *testing.T) {
	table := generatorComb()
	eachGroups(t, 200, func(g groups, lanes int, r *rand.Rand) {
		var x, y laneTable
		for i := range x {
			extreme(r, &x[i])
			extreme(r, &y[i])
		}
		var dp, dg digits
		var up, ug [Lanes]int
		for lane := range Lanes {
			up[lane], ug[lane] = r.IntN(1<<widthP), r.IntN(1<<widthG)
			dp[lane], dg[lane] = uint8(up[lane]), uint8(ug[lane])
		}
		window := r.IntN(windowsG)
		var qp, qg affine
		g.choose(&qp, &x, &y, &dp)
		g.gather(&qg, &table[window], &dg)
		for lane := range lanes {
			d := 2*up[lane] + 1 - 1<<widthP
			index := (max(d, -d) - 1) / 2
			checkLane(t, "choose x", &qp.x, lane, x[index].bigAt(lane), 1)
			checkLane(t, "choose y", &qp.y, lane, y[index].bigAt(lane), d)
			d = 2*ug[lane] + 1 - 1<<widthG
			e := table[window][(max(d, -d)-1)/2]
			checkLane(t, "gather x", &qg.x, lane, bigOf(e.x[:], 52), 1)
			checkLane(t, "gather y", &qg.y, lane, bigOf(e.y[:], 52), d)
		}
	})
}

// checkLane checks one lane of w against want with the sign of d.
func checkLane(t *testing.T, name string, w *wide, lane int, want *big.Int, d int) {
	t.Helper()
	var one wide
	for i := range one[0] {
		one[0][i][0] = w[lane/groupLanes][i][lane%groupLanes]
	}
	if d < 0 {
		want = new(big.Int).Neg(want)
	}
	checkLanes(t, name, 1, &one, func(int) *big.Int { return new(big.Int).Set(want) })
}
