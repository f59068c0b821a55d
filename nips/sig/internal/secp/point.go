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

// Double sets p = 2p, 3M + 4S: the tangent formulas for a = 0, with all of
// EFD's "dbl-2009-l" divided by a power of Z3/(2*Y1*Z1) = 1/2, which leaves
// fewer small multiples (libsecp256k1 does the same). Infinity stays infinity,
// and the curve has no point of order two.
func (f Field) Double(p *Jacobian) {
	var l, s, t Element
	f.Mul(&p.Z, &p.Y, &p.Z) // Z3 = Y1*Z1
	f.Sqr(&t, &p.X)         // L = X1^2 + X1^2/2
	f.Half(&l, &t)          //
	f.Add(&l, &l, &t)       //
	f.Sqr(&s, &p.Y)         // S = Y1^2
	f.Mul(&t, &s, &p.X)     // T = X1*S
	f.Sqr(&p.X, &l)         // X3 = L^2 - 2*T
	f.Sub(&p.X, &p.X, &t)   //
	f.Sub(&p.X, &p.X, &t)   //
	f.Sub(&t, &t, &p.X)     // Y3 = L*(T - X3) - S^2
	f.Mul(&t, &l, &t)       //
	f.Sqr(&s, &s)           //
	f.Sub(&p.Y, &t, &s)     //
}

// AddAffine sets p = p + q, for every p and q: EFD "madd" (8M + 3S), with the
// cases that its formulas do not cover told apart. zRatio, if not nil, is set
// to Z3/Z1 where the formulas cover the sum.
func (f Field) AddAffine(p *Jacobian, q *Affine, zRatio *Element) {
	if p.IsInfinity() {
		p.SetAffine(q)
		return
	}
	var zz, h, r, hh, hhh, v Element
	f.Sqr(&zz, &p.Z)
	f.Mul(&h, &q.X, &zz) // H = X2*Z1^2 - X1
	f.Sub(&h, &h, &p.X)
	f.Mul(&r, &p.Z, &zz) // R = Y2*Z1^3 - Y1
	f.Mul(&r, &r, &q.Y)
	f.Sub(&r, &r, &p.Y)
	if h.IsZero() {
		if r.IsZero() { // p = q
			f.Double(p)
		} else { // p = -q
			*p = Jacobian{}
		}
		return
	}
	if zRatio != nil {
		*zRatio = h
	}
	f.Mul(&p.Z, &p.Z, &h)   // Z3 = Z1*H
	f.Sqr(&hh, &h)          //
	f.Mul(&hhh, &hh, &h)    //
	f.Mul(&v, &p.X, &hh)    // V = X1*H^2
	f.Sqr(&p.X, &r)         // X3 = R^2 - H^3 - 2*V
	f.Sub(&p.X, &p.X, &hhh) //
	f.Sub(&p.X, &p.X, &v)   //
	f.Sub(&p.X, &p.X, &v)   //
	f.Sub(&v, &v, &p.X)     // Y3 = R*(V - X3) - Y1*H^3
	f.Mul(&v, &v, &r)
	f.Mul(&hhh, &hhh, &p.Y)
	f.Sub(&p.Y, &v, &hhh)
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
