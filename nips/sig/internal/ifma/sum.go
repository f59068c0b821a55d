//go:build amd64 && !purego

package ifma

import "math/bits"

// addSums sets sum = acc + accG and returns the lanes where that is infinity for
// certain. It is EFD "add-1998-cmo-2" (12M + 4S), whose Z is 0 where a summand
// is infinite or they are equal but for the sign.
func (b *Batch) addSums(g groups) (infinite uint16) {
	p, q, sum := &b.acc, &b.accG, &b.sum
	u1, h, s1, r := &b.t[0], &b.t[1], &b.t[2], &b.t[3]
	zz1, zz2, hh, hhh := &b.temps[0], &b.temps[1], &b.temps[2], &b.temps[3]
	g.sqr(zz1, &p.z)
	g.sqr(zz2, &q.z)
	g.mul(u1, &p.x, zz2) // U1 = X1*Z2^2
	g.mul(h, &q.x, zz1)  // H = X2*Z1^2 - U1
	g.sub(h, h, u1)
	g.mul(s1, &p.y, zz2) // S1 = Y1*Z2^3
	g.mul(s1, s1, &q.z)
	g.mul(r, &q.y, zz1) // R = Y2*Z1^3 - S1
	g.mul(r, r, &p.z)
	g.sub(r, r, s1)
	g.mul(&sum.z, &p.z, &q.z) // Z3 = Z1*Z2*H
	g.mul(&sum.z, &sum.z, h)
	g.sqr(hh, h)
	g.mul(hhh, hh, h)
	g.mul(u1, u1, hh) // V = U1*H^2
	g.sqr(&sum.x, r)  // X3 = R^2 - H^3 - 2*V
	g.sub(&sum.x, &sum.x, hhh)
	g.sub(&sum.x, &sum.x, u1)
	g.sub(&sum.x, &sum.x, u1)
	g.sub(u1, u1, &sum.x) // Y3 = R*(V - X3) - S1*H^3
	g.mul(&sum.y, r, u1)
	g.mul(s1, s1, hhh)
	g.sub(&sum.y, &sum.y, s1)

	sameX, _ := g.zeroAndOdd(h)
	if sameX|b.noS == 0 {
		return 0
	}
	sameY, _ := g.zeroAndOdd(r)
	return b.addExceptions(g, sameX, sameY)
}

// addExceptions sets sum in the lanes that addSums does not cover and that an
// attacker with a secret key can make at will: s = 0, the doubling of
// sG = -eP, and sG = eP, whose sum is infinity. So none of them costs a scalar
// verification.
func (b *Batch) addExceptions(g groups, sameX, sameY uint16) (infinite uint16) {
	noP, _ := g.zeroAndOdd(&b.acc.z)
	noG, _ := g.zeroAndOdd(&b.accG.z)
	finite := ^(noP | noG)
	g.double(&b.accG, &b.temps, 1)
	b.sum.copyLanes(&b.accG, sameX&sameY&finite)
	b.sum.copyLanes(&b.acc, b.noS)
	return sameX &^ sameY & finite
}

// copyLanes sets some lanes of p to those of q.
func (p *jacobian) copyLanes(q *jacobian, lanes uint16) {
	for ; lanes != 0; lanes &= lanes - 1 {
		lane := bits.TrailingZeros16(lanes)
		p.x.copyLane(&q.x, lane)
		p.y.copyLane(&q.y, lane)
		p.z.copyLane(&q.z, lane)
	}
}

// copyLane sets one lane of w to that of v.
func (w *wide) copyLane(v *wide, lane int) {
	to, from := &w[lane/groupLanes], &v[lane/groupLanes]
	for i := range to {
		to[i][lane%groupLanes] = from[i][lane%groupLanes]
	}
}
