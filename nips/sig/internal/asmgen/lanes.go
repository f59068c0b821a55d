package main

import "fmt"

// Layout of package ifma, in bytes: an element of eight lanes is five vectors,
// limb by limb; a wide element is two of them, for lanes 0-7 and 8-15.
const (
	vectorSize  = 64
	elementSize = 5 * vectorSize
	wideSize    = 2 * elementSize
	digitsSize  = 8 // of eight lanes
)

// kernel writes the functions for one number of groups of eight lanes. Every
// step is written once per group, so that the processor finds the independent
// steps of two groups side by side and fills the latencies of one with the
// other.
type kernel struct {
	*text
	groups int
}

// lanesFile writes all kernels, for one group and for two.
func lanesFile() []byte {
	t := newText(`secp256k1 in the lanes of AVX-512 IFMA: 52-bit limbs, eight lanes per register.
The limb bounds are stated in package ifma's doc.go.
`)
	t.data("limbMask", mask52)
	t.data("topMask", mask48)
	t.data("fold260", foldConst<<4)
	t.data("fold256", foldConst)
	t.data("one", 1)
	t.data("seven", 7)
	t.data("eightP", eightP[:]...)
	t.data("fourP", fourP[:]...)
	for _, w := range []int{widthP, widthG} {
		t.data(fmt.Sprintf("signBit%d", w), 1<<(w-1))
		t.data(fmt.Sprintf("indexBits%d", w), 1<<(w-1)-1)
	}
	for groups := 1; groups <= 2; groups++ {
		k := kernel{t, groups}
		k.fieldFunctions()
		k.pointFunctions()
		k.selectFunctions()
		k.residueFunctions()
	}
	return t.Bytes()
}

// function begins a function named for its number of lanes and loads the
// constants.
func (k kernel) function(name string, args ...arg) {
	k.text.function(fmt.Sprintf("%s%d", name, 8*k.groups), 0, args...)
	for _, c := range [][2]string{{"limbMask", limbMask}, {"topMask", topMask}, {"fold260", fold260}, {"fold256", fold256}} {
		k.op("VPBROADCASTQ", "·"+c[0]+"(SB)", c[1])
	}
}

// end returns from a function.
func (k kernel) end() {
	k.op("VZEROUPPER")
	k.op("RET")
}

// loop writes body so that it runs as often as the counter register says.
func (k kernel) loop(name, counter string, body func()) {
	label := fmt.Sprintf("%s%d", name, 8*k.groups)
	k.label(label)
	body()
	k.op("DECQ", counter)
	k.op("JNZ", label)
}

// operand is a wide element in memory.
type operand struct {
	register string
	offset   int
}

// at returns the n-th wide element of an array or struct of them.
func at(register string, n int) operand { return operand{register, n * wideSize} }

// limb is the memory operand of one limb of a group.
func (o operand) limb(group, i int) string {
	return mem(o.register, o.offset+group*elementSize+i*vectorSize)
}

// fieldFunctions writes the field operations on whole elements.
func (k kernel) fieldFunctions() {
	d, a, b := at("DI", 0), at("SI", 0), at("DX", 0)
	binary := []arg{{"d", "DI"}, {"a", "SI"}, {"b", "DX"}}

	k.function("mul", binary...)
	k.mul(d, a, b)
	k.end()

	k.function("mulPlus7", binary...)
	k.mul(d, a, b, plus7)
	k.end()

	k.function("sub", binary...)
	k.sub(d, a, b)
	k.end()

	k.function("sqrN", arg{"d", "DI"}, arg{"a", "SI"}, arg{"n", "DX"})
	for g := range k.groups {
		k.load(operandRegisters(g), a, g)
	}
	k.loop("sqrNLoop", "DX", func() {
		for g := range k.groups {
			k.start(nil, "")
			k.mixedProducts(operandRegisters(g))
			k.double(nil)
			k.squares(operandRegisters(g))
			k.fold()
			k.carry(operandRegisters(g))
		}
	})
	for g := range k.groups {
		k.store(operandRegisters(g), d, g)
	}
	k.end()
}

// operandRegisters are those of a product's first or second factor.
func operandRegisters(n int) int { return []int{factorA, factorB}[n] }

// pointFunctions writes doubling and addition in Jacobian coordinates.
func (k kernel) pointFunctions() {
	x, y, z := at("DI", 0), at("DI", 1), at("DI", 2)
	s, m, v, c := at("SI", 0), at("SI", 1), at("SI", 2), at("SI", 3)

	// EFD "dbl-2009-l" with S = 4*X1*B multiplied out, as package secp has it.
	k.function("double", arg{"p", "DI"}, arg{"t", "SI"}, arg{"n", "DX"})
	k.loop("doubleLoop", "DX", func() {
		k.comment("B = Y1^2")
		k.sqr(s, y)
		k.comment("M = 3*X1^2")
		k.sqr(m, x, triple)
		k.comment("Z3 = 2*Y1*Z1")
		k.mul(z, y, z, shift(1))
		k.comment("S = 4*X1*B")
		k.mul(v, x, s, shift(2))
		k.comment("8*B^2")
		k.sqr(c, s, shift(3))
		k.comment("X3 = M^2 - 2*S")
		k.sqr(x, m, minusTwice(v))
		k.comment("Y3 = M*(S - X3) - 8*B^2")
		k.sub(v, v, x)
		k.mul(y, m, v, minus(c))
	})
	k.end()

	// EFD "madd": 8M + 3S. The sum of a point with itself, with its negative,
	// or with infinity comes out with Z3 = 0, and stays so.
	h, r, zz, hh, hhh := at("SI", 0), at("SI", 1), at("SI", 2), at("SI", 3), at("SI", 4)
	qx, qy := at("DX", 0), at("DX", 1)
	k.function("addAffine", arg{"p", "DI"}, arg{"t", "SI"}, arg{"q", "DX"})
	k.comment("H = X2*Z1^2 - X1")
	k.sqr(zz, z)
	k.mul(h, qx, zz, minus(x))
	k.comment("R = Y2*Z1^3 - Y1")
	k.mul(zz, zz, z)
	k.mul(r, qy, zz, minus(y))
	k.comment("H^2, H^3")
	k.sqr(hh, h)
	k.mul(z, z, h) // Z3 = Z1*H
	k.mul(hhh, hh, h)
	k.comment("V = X1*H^2")
	k.mul(hh, x, hh)
	k.comment("X3 = R^2 - H^3 - 2*V")
	k.sqr(x, r, minus(hhh), minusTwice(hh))
	k.comment("Y3 = R*(V - X3) - Y1*H^3")
	k.mul(hhh, hhh, y)
	k.sub(hh, hh, x)
	k.mul(y, r, hh, minus(hhh))
	k.end()
}
