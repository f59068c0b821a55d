package secp

// Affine is a point (X, Y) of the curve y^2 = x^3 + 7, or of one isomorphic to
// it. It is never infinity.
type Affine struct{ X, Y Element }

// Jacobian is the point (X/Z^2, Y/Z^3), infinity if Z = 0 mod p. The zero
// value is infinity.
type Jacobian struct{ X, Y, Z Element }

// IsInfinity reports whether p is the point at infinity.
func (p *Jacobian) IsInfinity() bool { return p.Z.IsZero() }

// SetAffine sets p to q.
func (p *Jacobian) SetAffine(q *Affine) { *p = Jacobian{q.X, q.Y, Element{1}} }

// Double sets p = 2p. Infinity stays infinity, and the curve has no point of
// order two.
func (f Field) Double(p *Jacobian) { f.double(p) }

// AddAffine sets p = p + q, for every p and q: the addition formulas, with the
// cases that they do not cover told apart. zRatio, if not nil, is set to Z3/Z1
// where they cover the sum.
func (f Field) AddAffine(p *Jacobian, q *Affine, zRatio *Element) {
	if p.IsInfinity() {
		p.SetAffine(q)
		return
	}
	var d difference
	f.addHead(&d, p, q)
	if d.h.IsZero() {
		if d.r.IsZero() { // p = q
			f.double(p)
		} else { // p = -q
			*p = Jacobian{}
		}
		return
	}
	if zRatio != nil {
		*zRatio = d.h
	}
	f.addTail(p, &d)
}

// LiftX sets q to the point with that x and an even y, and reports whether
// there is one (BIP-340 lift_x). x must be below p.
func (f Field) LiftX(q *Affine, x *Element) bool {
	var rhs, y, yy Element
	f.Sqr(&rhs, x)
	f.Mul(&rhs, &rhs, x)
	f.Add(&rhs, &rhs, &Element{7})
	f.Sqrt(&y, &rhs)
	f.Sqr(&yy, &y)
	if !yy.Equal(&rhs) {
		return false
	}
	if y.IsOdd() {
		f.Neg(&y, &y)
	}
	*q = Affine{*x, y}
	return true
}
