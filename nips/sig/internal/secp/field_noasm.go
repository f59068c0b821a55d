//go:build !amd64 || purego

package secp

// Field chooses how elements are multiplied and points added. In this build there is pure Go
// only.
type Field struct{}

// ADX returns the Field of MULX/ADCX/ADOX assembly: this build has none.
func ADX() (f Field, ok bool) { return Field{}, false }

// Mul sets d = a*b. d may be a or b, here and below.
func (Field) Mul(d, a, b *Element) { mulGeneric(d, a, b) }

// Sqr sets d = a^2.
func (Field) Sqr(d, a *Element) { sqrGeneric(d, a) }

// SqrN sets d = a^(2^n), n > 0.
func (Field) SqrN(d, a *Element, n int) { sqrNGeneric(d, a, n) }

func (f Field) double(p *Jacobian) { f.doubleGeneric(p) }

func (f Field) addHead(d *difference, p *Jacobian, q *Affine) { f.addHeadGeneric(d, p, q) }

func (f Field) addTail(p *Jacobian, d *difference) { f.addTailGeneric(p, d) }
