//go:build amd64 && !purego

package ifma

// powers holds powers a^(2^k - 1), named xk, of the addition chains; see
// package secp.
type powers struct {
	a, x2, x3, x22, x44, x88, acc wide
}

// sqrMul sets d = a^(2^n) * m. d may be a, but not m.
func (g groups) sqrMul(d, a *wide, n uint64, m *wide) {
	g.sqrN(d, a, n)
	g.mul(d, d, m)
}

// runs sets acc to a^e with e of 223 ones, a zero and 22 ones.
func (p *powers) runs(g groups) {
	g.sqrMul(&p.x2, &p.a, 1, &p.a)
	g.sqrMul(&p.x3, &p.x2, 1, &p.a)
	g.sqrMul(&p.acc, &p.x3, 3, &p.x3)    // 6
	g.sqrMul(&p.acc, &p.acc, 3, &p.x3)   // 9
	g.sqrMul(&p.acc, &p.acc, 2, &p.x2)   // 11
	g.sqrMul(&p.x22, &p.acc, 11, &p.acc) // 22
	g.sqrMul(&p.x44, &p.x22, 22, &p.x22)
	g.sqrMul(&p.x88, &p.x44, 44, &p.x44)
	g.sqrMul(&p.acc, &p.x88, 88, &p.x88) // 176
	g.sqrMul(&p.acc, &p.acc, 44, &p.x44) // 220
	g.sqrMul(&p.acc, &p.acc, 3, &p.x3)   // 223
	g.sqrMul(&p.acc, &p.acc, 23, &p.x22)
}

// sqrt sets acc to a^((p+1)/4).
func (p *powers) sqrt(g groups) {
	p.runs(g)
	g.sqrMul(&p.acc, &p.acc, 6, &p.x2)
	g.sqrN(&p.acc, &p.acc, 2)
}

// inv sets acc to a^(p-2), which is 1/a.
func (p *powers) inv(g groups) {
	p.runs(g)
	g.sqrMul(&p.acc, &p.acc, 5, &p.a)
	g.sqrMul(&p.acc, &p.acc, 3, &p.x2)
	g.sqrMul(&p.acc, &p.acc, 2, &p.a)
}

// liftX sets py to the even y of px, and marks the lanes bad that have none.
func (b *Batch) liftX(g groups) {
	y := &b.pow.acc
	g.sqr(&b.t[0], &b.px)
	g.mulPlus7(&b.rhs, &b.t[0], &b.px)
	b.pow.a = b.rhs
	b.pow.sqrt(g)
	g.even(&b.py, y)
	g.sqr(&b.t[0], y)
	g.sub(&b.t[0], &b.t[0], &b.rhs)
	onCurve, _ := g.zeroAndOdd(&b.t[0])
	b.bad |= ^onCurve
}

// toAffine divides sum by its Z, if that is not 0.
func (b *Batch) toAffine(g groups) {
	b.pow.a = b.sum.z
	b.pow.inv(g)
	g.sqr(&b.t[0], &b.pow.acc)
	g.mul(&b.t[1], &b.t[0], &b.pow.acc)
	g.mul(&b.sum.x, &b.sum.x, &b.t[0])
	g.mul(&b.sum.y, &b.sum.y, &b.t[1])
}
