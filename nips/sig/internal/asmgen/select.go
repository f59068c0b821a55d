package main

import "fmt"

// Widths of the digits for the lanes' own tables and for the generator's.
const (
	widthP = 4
	widthG = 8
)

// tableEntries is the number of multiples in a lane's own table.
const tableEntries = 1 << (widthP - 1)

// negative is the mask register of the lanes whose y is to be negated.
const negative = "K2"

// selectFunctions writes the two ways to fetch the point for a digit, lane by
// lane: from the lane's own table, and from the generator's, which all share.
func (k kernel) selectFunctions() {
	q := [2]operand{at("DI", 0), at("DI", 1)}

	// Every entry is read and the wanted one kept: faster than a gather, and on
	// CPUs whose microcode slows gathers down by far.
	k.function("choose", arg{"q", "DI"}, arg{"x", "SI"}, arg{"y", "DX"}, arg{"c", "CX"})
	const index, entry, one = "Z22", "Z23", "Z24"
	for g := range k.groups {
		k.digits("CX", g, index, widthP)
		k.op("VPXORQ", entry, entry, entry)
		k.op("MOVQ", imm(1), "AX")
		k.op("VPBROADCASTQ", "AX", one)
		for e := range tableEntries {
			k.op("VPCMPEQQ", entry, index, "K1")
			for i := range 5 {
				k.op("VMOVDQU64", at("SI", e).limb(g, i), "K1", zmm(factorA+i))
			}
			for i := range 5 {
				k.op("VMOVDQU64", at("DX", e).limb(g, i), "K1", column(i))
			}
			if e < tableEntries-1 {
				k.op("VPADDQ", one, entry, entry)
			}
		}
		k.fetched(q, g)
	}
	k.end()

	k.function("gather", arg{"q", "DI"}, arg{"table", "SI"}, arg{"c", "DX"})
	for g := range k.groups {
		k.digits("DX", g, index, widthG)
		k.comment("times 80, the size of a point: five limbs each of x and y")
		k.op("VPSLLQ", "$6", index, entry)
		k.op("VPSLLQ", "$4", index, index)
		k.op("VPADDQ", entry, index, index)
		for i := range 10 {
			r := zmm(factorA + i)
			if i >= 5 {
				r = column(i - 5)
			}
			k.op("KXNORW", "K1", "K1", "K1")
			k.op("VPXORQ", r, r, r)
			k.op("VPGATHERQQ", fmt.Sprintf("%d(SI)(%s*1)", 8*i, index), "K1", r)
		}
		k.fetched(q, g)
	}
	k.end()
}

// digits loads the window values u of a group and takes them apart: the high bit
// is set for a positive digit, the others are its table index, and inverted for
// a negative digit.
func (k kernel) digits(register string, group int, index string, width int) {
	low := fmt.Sprintf("·indexBits%d(SB)", width)
	k.op("VPMOVZXBQ", mem(register, group*digitsSize), index)
	k.op("VPTESTNMQ.BCST", fmt.Sprintf("·signBit%d(SB)", width), index, negative)
	k.op("VPXORQ.BCST", low, index, negative, index)
	k.op("VPANDQ.BCST", low, index, index)
}

// fetched stores x from the registers of factor A and y from the columns,
// negated in the lanes that ask for it.
func (k kernel) fetched(q [2]operand, group int) {
	k.store(factorA, q[0], group)
	k.negate()
	k.store(columns, q[1], group)
}

// negate negates the element in the columns in the lanes of the mask register,
// and carries it.
func (k kernel) negate() {
	for i := range 5 {
		k.op("VPBROADCASTQ", fmt.Sprintf("·eightP+%d(SB)", 8*i), scratch)
		k.op("VPSUBQ", column(i), scratch, negative, column(i))
	}
	k.carry(columns)
}
