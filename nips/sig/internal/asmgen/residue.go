package main

// residueFunctions writes what needs the residue in [0, p) of an element: the
// tests for zero and for odd, and the choice of the even one of a and -a.
func (k kernel) residueFunctions() {
	a := at("SI", 0)
	const testZero, testOdd, none = "K3", "K4", "K5"

	k.function("zeroAndOdd", arg{"masks", "DI"}, arg{"a", "SI"})
	for g := range k.groups {
		k.residue(a, g)
		k.op("VPTESTMQ.BCST", "·one(SB)", column(0), testOdd)
		for i := 1; i < 5; i++ {
			k.op("VPORQ", column(i), column(0), column(0))
		}
		k.op("VPTESTNMQ", column(0), column(0), testZero)
		k.op("KMOVB", testZero, mem("DI", g))
		k.op("KMOVB", testOdd, mem("DI", 2+g))
	}
	k.end()

	k.function("even", arg{"d", "DI"}, arg{"a", "SI"})
	for g := range k.groups {
		k.residue(a, g)
		k.op("VPTESTMQ.BCST", "·one(SB)", column(0), negative)
		k.negate()
		k.store(columns, at("DI", 0), g)
	}
	k.end()
}

// residue loads an element into the columns and subtracts p where it is not
// below p. A carried element is below 2p, and at least p exactly if adding
// 2^256 - p reaches 2^256.
func (k kernel) residue(a operand, group int) {
	const reduced, notBelow = factorA, "K1"
	k.load(columns, a, group)
	k.op("VPADDQ", fold256, column(0), zmm(reduced))
	for i := range 4 {
		k.op("VPSRLQ", "$52", zmm(reduced+i), scratch)
		k.op("VPADDQ", scratch, column(i+1), zmm(reduced+i+1))
		k.op("VPANDQ", limbMask, zmm(reduced+i), zmm(reduced+i))
	}
	k.op("VPSRLQ", "$48", zmm(reduced+4), scratch)
	k.op("VPTESTMQ", scratch, scratch, notBelow)
	k.op("VPANDQ", topMask, zmm(reduced+4), zmm(reduced+4))
	for i := range 5 {
		k.op("VMOVDQA64", zmm(reduced+i), notBelow, column(i))
	}
}
