//go:build amd64 && !purego

package ifma

import "golang.org/x/sys/cpu"

//go:generate go run ../asmgen -lanes kernels_amd64.s

// Supported reports whether the CPU and the operating system have what the
// kernels use.
func Supported() bool {
	return cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512IFMA
}

// groups is the number of groups of eight lanes to compute, 1 or 2. Its methods
// call the kernel for that number.
type groups int

// sumTemps are the temporaries of double and addAffine. After addAffine the
// first is H, the ratio of Z3 to Z1.
type sumTemps [5]wide

// mul sets d = a*b. d may be a or b, in all of these.
func (g groups) mul(d, a, b *wide) {
	if g == 2 {
		mul16(d, a, b)
	} else {
		mul8(d, a, b)
	}
}

// mulPlus7 sets d = a*b + 7.
func (g groups) mulPlus7(d, a, b *wide) {
	if g == 2 {
		mulPlus716(d, a, b)
	} else {
		mulPlus78(d, a, b)
	}
}

// sqr sets d = a^2.
func (g groups) sqr(d, a *wide) { g.sqrN(d, a, 1) }

// sqrN sets d = a^(2^n), n > 0.
func (g groups) sqrN(d, a *wide, n uint64) {
	if g == 2 {
		sqrN16(d, a, n)
	} else {
		sqrN8(d, a, n)
	}
}

// sub sets d = a-b.
func (g groups) sub(d, a, b *wide) {
	if g == 2 {
		sub16(d, a, b)
	} else {
		sub8(d, a, b)
	}
}

// double sets p = 2^n * p, n > 0.
func (g groups) double(p *jacobian, t *sumTemps, n uint64) {
	if g == 2 {
		double16(p, t, n)
	} else {
		double8(p, t, n)
	}
}

// addAffine sets p = p+q, with Z = 0 where p = +-q or p is infinite.
func (g groups) addAffine(p *jacobian, t *sumTemps, q *affine) {
	if g == 2 {
		addAffine16(p, t, q)
	} else {
		addAffine8(p, t, q)
	}
}

// choose sets q to the points (x[index], y[index]), negated where d says so.
func (g groups) choose(q *affine, x, y *laneTable, d *digits) {
	if g == 2 {
		choose16(q, x, y, d)
	} else {
		choose8(q, x, y, d)
	}
}

// gather is choose from a table that all lanes share.
func (g groups) gather(q *affine, table *combWindow, d *digits) {
	if g == 2 {
		gather16(q, table, d)
	} else {
		gather8(q, table, d)
	}
}

// zeroAndOdd returns the masks of the lanes whose residue is 0, and odd. With
// one group, those of the lanes 8-15 are 0.
func (g groups) zeroAndOdd(a *wide) (zero, odd uint16) {
	var masks [2]uint16
	if g == 2 {
		zeroAndOdd16(&masks, a)
	} else {
		zeroAndOdd8(&masks, a)
	}
	return masks[0], masks[1]
}

// even sets d to a or -a, whichever has an even residue.
func (g groups) even(d, a *wide) {
	if g == 2 {
		even16(d, a)
	} else {
		even8(d, a)
	}
}

//go:noescape
func mul8(d, a, b *wide)

//go:noescape
func mul16(d, a, b *wide)

//go:noescape
func mulPlus78(d, a, b *wide)

//go:noescape
func mulPlus716(d, a, b *wide)

//go:noescape
func sqrN8(d, a *wide, n uint64)

//go:noescape
func sqrN16(d, a *wide, n uint64)

//go:noescape
func sub8(d, a, b *wide)

//go:noescape
func sub16(d, a, b *wide)

//go:noescape
func double8(p *jacobian, t *sumTemps, n uint64)

//go:noescape
func double16(p *jacobian, t *sumTemps, n uint64)

//go:noescape
func addAffine8(p *jacobian, t *sumTemps, q *affine)

//go:noescape
func addAffine16(p *jacobian, t *sumTemps, q *affine)

//go:noescape
func choose8(q *affine, x, y *laneTable, c *digits)

//go:noescape
func choose16(q *affine, x, y *laneTable, c *digits)

//go:noescape
func gather8(q *affine, table *combWindow, c *digits)

//go:noescape
func gather16(q *affine, table *combWindow, c *digits)

//go:noescape
func zeroAndOdd8(masks *[2]uint16, a *wide)

//go:noescape
func zeroAndOdd16(masks *[2]uint16, a *wide)

//go:noescape
func even8(d, a *wide)

//go:noescape
func even16(d, a *wide)
