package main

import "fmt"

// Constants of the field in 52-bit limbs.
const (
	mask52 = 1<<52 - 1
	mask48 = 1<<48 - 1
)

// eightP is 8p in limbs so large that subtracting up to three carried elements
// from them, limb by limb, never goes below zero: 2^54-4 and, on top, 2^51-4.
// fourP is half of that, and good for one element.
var (
	eightP = [5]uint64{4<<52 - 8*foldConst, 4<<52 - 4, 4<<52 - 4, 4<<52 - 4, 1<<51 - 4}
	fourP  = [5]uint64{2<<52 - 4*foldConst, 2<<52 - 2, 2<<52 - 2, 2<<52 - 2, 1<<50 - 2}
)

// Registers of the product kernels: factorA and factorB begin the five limbs of
// the factors, columns the ten columns of the product.
const (
	factorA = 0
	factorB = 5
	columns = 10

	scratch = "Z20"

	fold256  = "Z28" // 2^256 - p
	fold260  = "Z29" // 2^260 mod p
	topMask  = "Z30" // 2^48 - 1
	limbMask = "Z31" // 2^52 - 1
)

func column(i int) string { return zmm(columns + i) }

// mul writes d = a*b, adjusted.
func (k kernel) mul(d, a, b operand, adjust ...adjustment) {
	for g := range k.groups {
		k.load(factorA, a, g)
		k.load(factorB, b, g)
		k.start(adjust, "eightP")
		k.less(adjust, g, once)
		k.product()
		k.finish(d, g, adjust)
	}
}

// sqr writes d = a^2, adjusted.
func (k kernel) sqr(d, a operand, adjust ...adjustment) {
	for g := range k.groups {
		k.load(factorA, a, g)
		k.start(adjust, "fourP")
		k.less(adjust, g, twice)
		k.mixedProducts(factorA)
		k.double(adjust)
		k.less(adjust, g, once)
		k.squares(factorA)
		k.finish(d, g, adjust)
	}
}

// sub writes d = a-b.
func (k kernel) sub(d, a, b operand) {
	for g := range k.groups {
		k.broadcast("eightP")
		for i := range 5 {
			k.op("VPADDQ", a.limb(g, i), column(i), column(i))
		}
		k.less([]adjustment{minus(b)}, g, once)
		k.carry(columns)
		k.store(columns, d, g)
	}
}

// finish folds the product, scales its low columns, and stores it carried.
func (k kernel) finish(d operand, group int, adjust []adjustment) {
	k.fold()
	for _, a := range adjust {
		if a.scale != nil {
			a.scale(k)
		}
	}
	k.carry(columns)
	k.store(columns, d, group)
}

func (k kernel) load(register int, o operand, group int) {
	for i := range 5 {
		k.op("VMOVDQU64", o.limb(group, i), zmm(register+i))
	}
}

func (k kernel) store(register int, o operand, group int) {
	for i := range 5 {
		k.op("VMOVDQU64", zmm(register+i), o.limb(group, i))
	}
}

// start sets the columns to zero, or the low ones to a multiple of p if there
// is something to subtract: before the product, while its factors are not there
// yet.
func (k kernel) start(adjust []adjustment, multiple string) {
	zeros := 0 // the first column to begin at zero
	if subtracts(adjust) {
		k.broadcast(multiple)
		zeros = 5
	}
	for i := zeros; i < 10; i++ {
		k.op("VPXORQ", column(i), column(i), column(i))
	}
}

// broadcast sets the low columns to a constant of five limbs.
func (k kernel) broadcast(constant string) {
	for i := range 5 {
		k.op("VPBROADCASTQ", fmt.Sprintf("·%s+%d(SB)", constant, 8*i), column(i))
	}
}

// less subtracts the terms that are to be subtracted so many times.
func (k kernel) less(adjust []adjustment, group, times int) {
	for _, a := range adjust {
		if a.times != times {
			continue
		}
		for i := range 5 {
			k.op("VPSUBQ", a.term.limb(group, i), column(i), column(i))
		}
	}
}

// product adds the low 52 bits of a[i]*b[j] to column i+j and the high ones to
// column i+j+1. IFMA reads 52 bits of each factor: they must be carried.
func (k kernel) product() {
	for i := range 5 {
		for j := range 5 {
			k.op("VPMADD52LUQ", zmm(factorB+j), zmm(factorA+i), column(i+j))
		}
		for j := range 5 {
			k.op("VPMADD52HUQ", zmm(factorB+j), zmm(factorA+i), column(i+j+1))
		}
	}
}

// mixedProducts adds a[i]*a[j] for i < j, a being at a register. Doubled, and
// with the squares, they are the square.
func (k kernel) mixedProducts(a int) {
	for i := range 5 {
		for j := i + 1; j < 5; j++ {
			k.op("VPMADD52LUQ", zmm(a+j), zmm(a+i), column(i+j))
		}
		for j := i + 1; j < 5; j++ {
			k.op("VPMADD52HUQ", zmm(a+j), zmm(a+i), column(i+j+1))
		}
	}
}

// double doubles the columns of the mixed products, which are 1 to 8, and with
// them what is there to be subtracted twice.
func (k kernel) double(adjust []adjustment) {
	first := 1
	if subtracts(adjust) {
		first = 0
	}
	for i := first; i < 9; i++ {
		k.op("VPADDQ", column(i), column(i), column(i))
	}
}

// squares adds a[i]^2.
func (k kernel) squares(a int) {
	for i := range 5 {
		k.op("VPMADD52LUQ", zmm(a+i), zmm(a+i), column(2*i))
		k.op("VPMADD52HUQ", zmm(a+i), zmm(a+i), column(2*i+1))
	}
}

// fold adds the columns 5-9, carried to 52 bits and times 2^260 mod p, to the
// columns 0-4. Column 9, as what its own high half leaves, is folded twice.
func (k kernel) fold() {
	for i := 5; i < 9; i++ {
		k.op("VPSRLQ", "$52", column(i), scratch)
		k.op("VPADDQ", scratch, column(i+1), column(i+1))
	}
	k.op("VPXORQ", scratch, scratch, scratch)
	k.op("VPMADD52HUQ", fold260, column(9), scratch)
	for i := range 5 {
		k.op("VPMADD52LUQ", fold260, column(5+i), column(i))
		if i < 4 {
			k.op("VPMADD52HUQ", fold260, column(5+i), column(i+1))
		}
	}
	k.op("VPMADD52LUQ", fold260, scratch, column(0))
	k.op("VPMADD52HUQ", fold260, scratch, column(1))
}

// carry brings the columns 0-4, below 2^61, to the limb bounds in the five
// registers from d on. What exceeds 2^256 is folded to column 0 first.
func (k kernel) carry(d int) {
	k.op("VPSRLQ", "$48", column(4), scratch)
	k.op("VPANDQ", topMask, column(4), column(4))
	k.op("VPMADD52LUQ", fold256, scratch, column(0))
	for i := range 4 {
		k.op("VPSRLQ", "$52", column(i), scratch)
		k.op("VPANDQ", limbMask, column(i), zmm(d+i))
		if i < 3 {
			k.op("VPADDQ", scratch, column(i+1), column(i+1))
		} else {
			k.op("VPADDQ", scratch, column(4), zmm(d+4))
		}
	}
}

// adjustment changes a product: it subtracts a term or scales the result.
type adjustment struct {
	term  operand
	times int // once or twice; 0: there is no term
	scale func(k kernel)
}

const once, twice = 1, 2

func subtracts(adjust []adjustment) bool {
	for _, a := range adjust {
		if a.times > 0 {
			return true
		}
	}
	return false
}

// minus subtracts o. A product may subtract three elements, counting twice
// what is subtracted twice.
func minus(o operand) adjustment { return adjustment{term: o, times: once} }

// minusTwice subtracts 2*o from a square.
func minusTwice(o operand) adjustment { return adjustment{term: o, times: twice} }

// shift multiplies by 2^n, n <= 3.
func shift(n int) adjustment {
	return adjustment{scale: func(k kernel) {
		for i := range 5 {
			k.op("VPSLLQ", fmt.Sprintf("$%d", n), column(i), column(i))
		}
	}}
}

// triple multiplies by 3.
var triple = adjustment{scale: func(k kernel) {
	for i := range 5 {
		k.op("VPADDQ", column(i), column(i), scratch)
		k.op("VPADDQ", scratch, column(i), column(i))
	}
}}

// plus7 adds 7, before the carry, so that limb 0 stays below 2^52.
var plus7 = adjustment{scale: func(k kernel) {
	k.op("VPADDQ.BCST", "·seven(SB)", column(0), column(0))
}}
