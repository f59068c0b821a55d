package secp

// widthP is the wNAF width of the halves of e.
const widthP = 5

// Verifier verifies one signature at a time. It is immutable, and so safe for
// concurrent use.
type Verifier struct {
	field Field
	g     *generatorTable
}

// NewVerifier returns a Verifier that multiplies by f.
func NewVerifier(f Field) *Verifier {
	return &Verifier{field: f, g: generatorMultiples()}
}

// Verify reports whether sig is a BIP-340 signature of msg by pubKey.
func (v *Verifier) Verify(pubKey, msg *[32]byte, sig *[64]byte) bool {
	var x, r Element
	var s Scalar
	rBytes := (*[32]byte)(sig[:32])
	if !x.SetBytes(pubKey) || !r.SetBytes(rBytes) || !s.SetBytes((*[32]byte)(sig[32:])) {
		return false
	}
	var p Affine
	if !v.field.LiftX(&p, &x) {
		return false
	}
	e := Challenge(rBytes, pubKey, msg)
	point := v.nonce(&s, &e, &p)
	return v.field.isNonce(&point, &r)
}

// isNonce reports whether p is finite, its x is r and its y is even. The x is
// compared before the inversion, which only the parity needs.
func (f Field) isNonce(p *Jacobian, r *Element) bool {
	if p.IsInfinity() {
		return false
	}
	var t Element
	f.Sqr(&t, &p.Z)
	f.Mul(&t, &t, r)
	if !t.Equal(&p.X) {
		return false
	}
	f.Inv(&t, &p.Z)
	even := f.scale(&p.X, &p.Y, &t)
	return even.Y[0]&1 == 0
}

// multiples has the odd multiples 1, 3, ... 15 of P, and of lambda*P, on an
// isomorphic curve: their true Z coordinate is z for all of them.
type multiples struct {
	p, lambdaP [1 << (widthP - 2)]Affine
	z          Element
}

// set makes the multiples without an inversion, as libsecp256k1 does
// (secp256k1_ecmult_odd_multiples_table): 2P is taken to be affine on the
// isomorphic curve where its Z is 1, and the Z of the multiples are then
// brought to that of the last with the ratios that the additions left.
func (t *multiples) set(f Field, p *Affine) {
	var d, acc Jacobian
	d.SetAffine(p)
	f.Double(&d)
	twice := Affine{d.X, d.Y}
	t.p[0] = f.scale(&p.X, &p.Y, &d.Z)
	acc.SetAffine(&t.p[0])
	var ratio [len(t.p)]Element // of Z of t.p[i] to Z of t.p[i-1]
	for i := 1; i < len(t.p); i++ {
		f.AddAffine(&acc, &twice, &ratio[i])
		t.p[i] = Affine{acc.X, acc.Y}
	}
	f.Mul(&t.z, &acc.Z, &d.Z)
	z := ratio[len(ratio)-1]
	for i := len(t.p) - 2; i >= 0; i-- {
		t.p[i] = f.scale(&t.p[i].X, &t.p[i].Y, &z)
		f.Mul(&z, &z, &ratio[i])
	}
	for i := range t.p {
		f.Mul(&t.lambdaP[i].X, &t.p[i].X, &Beta)
		t.lambdaP[i].Y = t.p[i].Y
	}
}

// nonce returns R = s*G - e*P by Strauss' method: one chain of doublings for
// the four half-length scalars of s = s1 + s2*2^128 and e = e1 + e2*lambda.
func (v *Verifier) nonce(s, e *Scalar, p *Affine) Jacobian {
	f := v.field
	var t multiples
	t.set(f, p)
	var z2, z3 Element // powers of t.z
	f.Sqr(&z2, &t.z)
	f.Mul(&z3, &z2, &t.z)

	var e1, e2, s1, s2 naf
	k1, k2 := Split(e)
	abs1, neg1 := k1.Abs()
	abs2, neg2 := k2.Abs()
	n := max(
		e1.set(&abs1, !neg1, widthP),
		e2.set(&abs2, !neg2, widthP),
		s1.set(&Int192{s[0], s[1]}, false, widthG),
		s2.set(&Int192{s[2], s[3]}, false, widthG),
	)
	var acc Jacobian
	var q Affine
	for i := n - 1; i >= 0; i-- {
		f.Double(&acc)
		if e1[i] != 0 {
			f.signed(&q, t.p[:], e1[i])
			f.AddAffine(&acc, &q, nil)
		}
		if e2[i] != 0 {
			f.signed(&q, t.lambdaP[:], e2[i])
			f.AddAffine(&acc, &q, nil)
		}
		if s1[i] != 0 {
			f.signed(&q, v.g.low[:], s1[i])
			f.toIsomorphic(&q, &z2, &z3)
			f.AddAffine(&acc, &q, nil)
		}
		if s2[i] != 0 {
			f.signed(&q, v.g.high[:], s2[i])
			f.toIsomorphic(&q, &z2, &z3)
			f.AddAffine(&acc, &q, nil)
		}
	}
	f.Mul(&acc.Z, &acc.Z, &t.z) // back to the curve itself
	return acc
}

// signed sets q to digit times the point whose odd multiples are in table.
func (f Field) signed(q *Affine, table []Affine, digit int16) {
	if digit > 0 {
		*q = table[digit>>1]
		return
	}
	t := &table[-digit>>1]
	q.X = t.X
	f.Neg(&q.Y, &t.Y)
}

// toIsomorphic takes a point of the curve to the one on which t.z is 1.
func (f Field) toIsomorphic(q *Affine, z2, z3 *Element) {
	f.Mul(&q.X, &q.X, z2)
	f.Mul(&q.Y, &q.Y, z3)
}
