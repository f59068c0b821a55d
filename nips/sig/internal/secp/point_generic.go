package secp

// The formulas for points, as calls of field operations. doubleADX, addHeadADX
// and addTailADX have the same steps.

// doubleGeneric sets p = 2p, 3M + 4S: the tangent formulas for a = 0, with all
// of EFD's "dbl-2009-l" divided by a power of Z3/(2*Y1*Z1) = 1/2, which leaves
// fewer small multiples (libsecp256k1 does the same).
func (f Field) doubleGeneric(p *Jacobian) {
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

// difference is H and R of an addition: the differences of the coordinates x
// and y, both 0 if the summands are equal.
type difference struct{ h, r Element }

// addHeadGeneric begins EFD "madd" (8M + 3S): it sets d for p + q.
func (f Field) addHeadGeneric(d *difference, p *Jacobian, q *Affine) {
	var zz Element
	f.Sqr(&zz, &p.Z)
	f.Mul(&d.h, &q.X, &zz) // H = X2*Z1^2 - X1
	f.Sub(&d.h, &d.h, &p.X)
	f.Mul(&d.r, &p.Z, &zz) // R = Y2*Z1^3 - Y1
	f.Mul(&d.r, &d.r, &q.Y)
	f.Sub(&d.r, &d.r, &p.Y)
}

// addTailGeneric ends it: given H and R, H not 0, it sets p to the sum.
func (f Field) addTailGeneric(p *Jacobian, d *difference) {
	var hh, hhh, v Element
	f.Mul(&p.Z, &p.Z, &d.h) // Z3 = Z1*H
	f.Sqr(&hh, &d.h)        //
	f.Mul(&hhh, &hh, &d.h)  //
	f.Mul(&v, &p.X, &hh)    // V = X1*H^2
	f.Sqr(&p.X, &d.r)       // X3 = R^2 - H^3 - 2*V
	f.Sub(&p.X, &p.X, &hhh) //
	f.Sub(&p.X, &p.X, &v)   //
	f.Sub(&p.X, &p.X, &v)   //
	f.Sub(&v, &v, &p.X)     // Y3 = R*(V - X3) - Y1*H^3
	f.Mul(&v, &v, &d.r)
	f.Mul(&hhh, &hhh, &p.Y)
	f.Sub(&p.Y, &v, &hhh)
}
