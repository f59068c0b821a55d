//go:build !purego

package secp

import "golang.org/x/sys/cpu"

//go:generate go run ../asmgen -field field_amd64.s

// Field chooses how elements are multiplied and points added. The zero Field is pure Go.
type Field struct {
	adx bool
}

// ADX returns the Field of MULX/ADCX/ADOX assembly, and whether the CPU has
// these instructions.
func ADX() (f Field, ok bool) {
	if !cpu.X86.HasADX || !cpu.X86.HasBMI2 {
		return Field{}, false
	}
	return Field{adx: true}, true
}

// Mul sets d = a*b. d may be a or b, here and below.
func (f Field) Mul(d, a, b *Element) {
	if f.adx {
		mulADX(d, a, b)
	} else {
		mulGeneric(d, a, b)
	}
}

// Sqr sets d = a^2.
func (f Field) Sqr(d, a *Element) {
	if f.adx {
		sqrADX(d, a, 1)
	} else {
		sqrGeneric(d, a)
	}
}

// SqrN sets d = a^(2^n), n > 0.
func (f Field) SqrN(d, a *Element, n int) {
	if f.adx {
		sqrADX(d, a, n)
	} else {
		sqrNGeneric(d, a, n)
	}
}

func (f Field) double(p *Jacobian) {
	if f.adx {
		doubleADX(p)
	} else {
		f.doubleGeneric(p)
	}
}

func (f Field) addHead(d *difference, p *Jacobian, q *Affine) {
	if f.adx {
		addHeadADX(d, p, q)
	} else {
		f.addHeadGeneric(d, p, q)
	}
}

func (f Field) addTail(p *Jacobian, d *difference) {
	if f.adx {
		addTailADX(p, d)
	} else {
		f.addTailGeneric(p, d)
	}
}

//go:noescape
func mulADX(d, a, b *Element)

// sqrADX sets d = a^(2^n), n > 0.
//
//go:noescape
func sqrADX(d, a *Element, n int)

//go:noescape
func doubleADX(p *Jacobian)

//go:noescape
func addHeadADX(d *difference, p *Jacobian, q *Affine)

//go:noescape
func addTailADX(p *Jacobian, d *difference)
