package secp

import "sync"

// Generator is the base point G.
var Generator = Affine{
	X: Element{0x59F2815B16F81798, 0x029BFCDB2DCE28D9, 0x55A06295CE870B07, 0x79BE667EF9DCBBAC},
	Y: Element{0x9C47D08FFB10D4B8, 0xFD17B448A6855419, 0x5DA4FBFC0E1108A8, 0x483ADA7726A3C465},
}

// widthG is the wNAF width of the two halves of s: 2 * 2^(widthG-2) points,
// 64 bytes each.
const widthG = 13

// generatorTable has the odd multiples 1, 3, 5, ... of G and of 2^128 * G.
type generatorTable struct {
	low, high [1 << (widthG - 2)]Affine
}

// generatorMultiples is made at first use, in about a millisecond.
var generatorMultiples = sync.OnceValue(func() *generatorTable {
	t := new(generatorTable)
	high := Generator.Shift(128)
	OddMultiples(t.low[:], &Generator)
	OddMultiples(t.high[:], &high)
	return t
})

// Shift returns 2^n * a.
func (a *Affine) Shift(n int) Affine {
	var f Field
	var p Jacobian
	p.SetAffine(a)
	for range n {
		f.Double(&p)
	}
	var zInv Element
	f.Inv(&zInv, &p.Z)
	return f.scale(&p.X, &p.Y, &zInv)
}

// OddMultiples sets out to a, 3a, 5a, ... with one inversion (Montgomery's
// trick).
func OddMultiples(out []Affine, a *Affine) {
	var f Field
	twice := a.Shift(1)
	points := make([]Jacobian, len(out))
	products := make([]Element, len(out)) // of the Z coordinates before
	product := Element{1}
	var p Jacobian
	p.SetAffine(a)
	for i := range points {
		points[i], products[i] = p, product
		f.Mul(&product, &product, &p.Z)
		f.AddAffine(&p, &twice, nil)
	}
	var inv, zInv Element
	f.Inv(&inv, &product)
	for i := len(points) - 1; i >= 0; i-- {
		f.Mul(&zInv, &inv, &products[i])
		f.Mul(&inv, &inv, &points[i].Z)
		out[i] = f.scale(&points[i].X, &points[i].Y, &zInv)
	}
}

// scale returns (x*z^2, y*z^3), reduced: for z = 1/Z the affine form, for
// another z the same point on an isomorphic curve.
func (f Field) scale(x, y, z *Element) (a Affine) {
	var z2 Element
	f.Sqr(&z2, z)
	f.Mul(&a.X, x, &z2)
	f.Mul(&z2, &z2, z)
	f.Mul(&a.Y, y, &z2)
	a.X, a.Y = a.X.Residue(), a.Y.Residue()
	return a
}
