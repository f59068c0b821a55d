package secp

// Add sets d = a+b.
func (Field) Add(d, a, b *Element) { addGeneric(d, a, b) }

// Sub sets d = a-b.
func (Field) Sub(d, a, b *Element) { subGeneric(d, a, b) }

// Neg sets d = -a.
func (Field) Neg(d, a *Element) { subGeneric(d, &Element{}, a) }

// Half sets d = a/2.
func (Field) Half(d, a *Element) { halfGeneric(d, a) }

func sqrNGeneric(d, a *Element, n int) {
	*d = *a
	for range n {
		sqrGeneric(d, d)
	}
}

// Inv sets d = a^(p-2), which is 1/a, and 0 for 0.
func (f Field) Inv(d, a *Element) {
	var c chain
	f.runs(&c, a)
	f.sqrMul(&c.acc, &c.acc, 5, a)
	f.sqrMul(&c.acc, &c.acc, 3, &c.x2)
	f.sqrMul(d, &c.acc, 2, a)
}

// Sqrt sets d = a^((p+1)/4). Its square is a if a is a square at all, since
// p = 3 mod 4; the caller checks.
func (f Field) Sqrt(d, a *Element) {
	var c chain
	f.runs(&c, a)
	f.sqrMul(&c.acc, &c.acc, 6, &c.x2)
	f.SqrN(d, &c.acc, 2)
}

// chain holds powers a^(2^k - 1), named xk, of the addition chains.
type chain struct {
	x2, x3, x22, acc Element
}

// runs sets acc to a^e where e, in binary, is 223 ones, a zero and 22 ones:
// the bits that (p+1)/4 and p-2 begin with. The blocks of ones have the
// lengths 1, 2, 3, 6, 9, 11, 22, 44, 88, 176, 220, 223.
func (f Field) runs(c *chain, a *Element) {
	var x44, x88 Element
	f.sqrMul(&c.x2, a, 1, a)
	f.sqrMul(&c.x3, &c.x2, 1, a)
	f.sqrMul(&c.acc, &c.x3, 3, &c.x3)    // 6
	f.sqrMul(&c.acc, &c.acc, 3, &c.x3)   // 9
	f.sqrMul(&c.acc, &c.acc, 2, &c.x2)   // 11
	f.sqrMul(&c.x22, &c.acc, 11, &c.acc) // 22
	f.sqrMul(&x44, &c.x22, 22, &c.x22)   // 44
	f.sqrMul(&x88, &x44, 44, &x44)       // 88
	f.sqrMul(&c.acc, &x88, 88, &x88)     // 176
	f.sqrMul(&c.acc, &c.acc, 44, &x44)   // 220
	f.sqrMul(&c.acc, &c.acc, 3, &c.x3)   // 223
	f.sqrMul(&c.acc, &c.acc, 23, &c.x22) // 223 ones, 0, 22 ones
}

// sqrMul sets d = a^(2^n) * b. d may be a, and b too.
func (f Field) sqrMul(d, a *Element, n int, b *Element) {
	var t Element
	f.SqrN(&t, a, n)
	f.Mul(d, &t, b)
}
