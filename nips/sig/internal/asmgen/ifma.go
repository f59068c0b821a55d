package main

import "fmt"

// Constants of the field in 52-bit limbs.
const (
	mask52 = 1<<52 - 1
	mask48 = 1<<48 - 1
)

// eightP is 8p in limbs so large that subtracting up to three carried elements
// from them, limb by limb, never goes below zero: 2^54-4 and, on top, 2^51-4.
var eightP = [5]uint64{4<<52 - 8*foldConst, 4<<52 - 4, 4<<52 - 4, 4<<52 - 4, 1<<51 - 4}

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
		k.product()
		k.finish(d, g, adjust)
	}
}

// sqr writes d = a^2, adjusted.
func (k kernel) sqr(d, a operand, adjust ...adjustment) {
	for g := range k.groups {
		k.load(factorA, a, g)
		k.square(factorA)
		k.finish(d, g, adjust)
	}
}

// sub writes d = a-b.
func (k kernel) sub(d, a, b operand) {
	for g := range k.groups {
		k.load(columns, a, g)
		minus(b)(k, g)
		k.carry(columns)
		k.store(columns, d, g)
	}
}

// finish folds the product, adjusts its low columns, and stores it carried.
func (k kernel) finish(d operand, group int, adjust []adjustment) {
	k.fold()
	for _, f := range adjust {
		f(k, group)
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

func (k kernel) clearColumns() {
	for i := range 10 {
		k.op("VPXORQ", column(i), column(i), column(i))
	}
}

// product adds the low 52 bits of a[i]*b[j] to column i+j and the high ones to
// column i+j+1. IFMA reads 52 bits of each factor: they must be carried.
func (k kernel) product() {
	k.clearColumns()
	for i := range 5 {
		for j := range 5 {
			k.op("VPMADD52LUQ", zmm(factorB+j), zmm(factorA+i), column(i+j))
		}
		for j := range 5 {
			k.op("VPMADD52HUQ", zmm(factorB+j), zmm(factorA+i), column(i+j+1))
		}
	}
}

// square is product of the element at register a with itself: mixed products
// once, doubled.
func (k kernel) square(a int) {
	k.clearColumns()
	for i := range 5 {
		for j := i + 1; j < 5; j++ {
			k.op("VPMADD52LUQ", zmm(a+j), zmm(a+i), column(i+j))
		}
		for j := i + 1; j < 5; j++ {
			k.op("VPMADD52HUQ", zmm(a+j), zmm(a+i), column(i+j+1))
		}
	}
	for i := 1; i < 9; i++ {
		k.op("VPADDQ", column(i), column(i), column(i))
	}
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

// adjustment changes the folded columns before they are carried.
type adjustment func(k kernel, group int)

// shift multiplies by 2^n, n <= 3.
func shift(n int) adjustment {
	return func(k kernel, _ int) {
		for i := range 5 {
			k.op("VPSLLQ", fmt.Sprintf("$%d", n), column(i), column(i))
		}
	}
}

// triple multiplies by 3.
func triple(k kernel, _ int) {
	for i := range 5 {
		k.op("VPADDQ", column(i), column(i), scratch)
		k.op("VPADDQ", scratch, column(i), column(i))
	}
}

// plus7 adds 7, before the carry, so that limb 0 stays below 2^52.
func plus7(k kernel, _ int) {
	k.op("VPADDQ.BCST", "·seven(SB)", column(0), column(0))
}

// minus subtracts up to three elements, after 8p that keeps the limbs above
// zero.
func minus(terms ...operand) adjustment {
	return func(k kernel, group int) {
		for i := range 5 {
			k.op("VPADDQ.BCST", fmt.Sprintf("·eightP+%d(SB)", 8*i), column(i), column(i))
		}
		for _, o := range terms {
			for i := range 5 {
				k.op("VPSUBQ", o.limb(group, i), column(i), column(i))
			}
		}
	}
}
