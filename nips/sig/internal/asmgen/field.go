package main

import "fmt"

// foldConst is 2^256 - p, to which 2^256 folds.
const foldConst = 0x1000003D1

// fieldFile writes the multiplication of 4x64-bit field elements with two
// carry chains in parallel: ADCX adds low halves of products and ADOX high
// ones. Results are below 2^256, not necessarily below p.
//
// The point formulas are those of package secp, in one piece each, so that no
// call stands between the field operations.
func fieldFile() []byte {
	t := newText("Arithmetic modulo p = 2^256 - 0x1000003D1 with MULX, ADCX and ADOX.\n")
	d, a, b := element{"DI", 0}, element{"SI", 0}, element{"CX", 0}

	t.function("mulADX", 0, arg{"d", "DI"}, arg{"a", "SI"}, arg{"b", "CX"})
	t.fieldMul(a, b)
	t.fieldStore(d)
	t.op("RET")

	t.function("sqrADX", 0, arg{"d", "DI"}, arg{"a", "SI"}, arg{"n", "CX"})
	t.label("square")
	t.fieldSqr(a)
	t.fieldStore(d)
	t.op("MOVQ", "DI", "SI")
	t.op("DECQ", "CX")
	t.op("JNZ", "square")
	t.op("RET")

	pointFunctions(t)
	return t.Bytes()
}

// element is an element in memory.
type element struct {
	register string
	offset   int
}

// limb is the memory operand of a limb.
func (e element) limb(i int) string { return mem(e.register, e.offset+8*i) }

// Registers. DX is the multiplier that MULX reads; SI, DI, CX and SP are left
// to pointers and counters.
const lo, hi = "AX", "BX"

// r are the limbs of a product, and then, in the first four, of the result.
var r = [8]string{"R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"}

// fieldMul leaves a*b in the result registers: schoolbook multiplication by
// rows.
func (t *text) fieldMul(a, b element) {
	t.comment("a[0] * b")
	t.op("MOVQ", a.limb(0), "DX")
	t.op("MULXQ", b.limb(0), r[0], r[1])
	for j := 1; j < 4; j++ {
		t.op("MULXQ", b.limb(j), lo, r[j+1])
		t.op(addOrAdc(j == 1), lo, r[j])
	}
	t.op("ADCQ", imm(0), r[4])
	for i := 1; i < 4; i++ {
		t.comment("+ a[%d] * b", i)
		t.op("MOVQ", a.limb(i), "DX")
		t.op("XORQ", r[i+4], r[i+4]) // and clears both carries
		for j := range 4 {
			t.op("MULXQ", b.limb(j), lo, hi)
			t.op("ADCXQ", lo, r[i+j])
			if j == 3 {
				t.op("MOVQ", imm(0), lo)
			}
			t.op("ADOXQ", hi, r[i+j+1])
		}
		t.op("ADCXQ", lo, r[i+4])
	}
	t.fieldReduce()
}

// fieldSqr leaves a^2 in the result registers: the mixed products once, doubled
// while the squares are added.
func (t *text) fieldSqr(a element) {
	t.comment("a[0] * a[1..3]")
	t.op("MOVQ", a.limb(0), "DX")
	t.op("MULXQ", a.limb(1), r[1], r[2])
	t.op("MULXQ", a.limb(2), lo, r[3])
	t.op("ADDQ", lo, r[2])
	t.op("MULXQ", a.limb(3), lo, r[4])
	t.op("ADCQ", lo, r[3])
	t.op("ADCQ", imm(0), r[4])
	t.comment("+ a[1] * a[2..3]")
	t.op("MOVQ", a.limb(1), "DX")
	t.op("XORQ", r[5], r[5]) // and clears both carries
	t.op("MULXQ", a.limb(2), lo, hi)
	t.op("ADCXQ", lo, r[3])
	t.op("ADOXQ", hi, r[4])
	t.op("MULXQ", a.limb(3), lo, hi)
	t.op("ADCXQ", lo, r[4])
	t.op("MOVQ", imm(0), lo)
	t.op("ADOXQ", hi, r[5])
	t.op("ADCXQ", lo, r[5])
	t.comment("+ a[2] * a[3]")
	t.op("MOVQ", a.limb(2), "DX")
	t.op("MULXQ", a.limb(3), lo, r[6])
	t.op("ADDQ", lo, r[5])
	t.op("ADCQ", imm(0), r[6])
	t.comment("double that, and add the squares")
	t.op("XORQ", r[7], r[7]) // and clears both carries
	t.op("MOVQ", a.limb(0), "DX")
	t.op("MULXQ", "DX", r[0], hi)
	t.op("ADCXQ", r[1], r[1])
	t.op("ADOXQ", hi, r[1])
	for i := 1; i < 4; i++ {
		t.op("MOVQ", a.limb(i), "DX")
		t.op("MULXQ", "DX", lo, hi)
		t.op("ADCXQ", r[2*i], r[2*i])
		t.op("ADOXQ", lo, r[2*i])
		t.op("ADCXQ", r[2*i+1], r[2*i+1])
		t.op("ADOXQ", hi, r[2*i+1])
	}
	t.fieldReduce()
}

// fieldReduce folds the product.
func (t *text) fieldReduce() {
	t.comment("limbs 4..7, times 2^256 - p, to limbs 0..3")
	t.op("MOVQ", imm(foldConst), "DX")
	t.op("XORQ", lo, lo) // clears both carries
	for i := range 4 {
		t.op("MULXQ", r[4+i], lo, hi)
		t.op("ADCXQ", lo, r[i])
		if i < 3 {
			t.op("ADOXQ", hi, r[i+1])
		}
	}
	t.op("MOVQ", imm(0), lo)
	t.op("ADCXQ", lo, hi)
	t.op("ADOXQ", lo, hi)
	t.comment("what sticks out of limb 3 once more, and a last carry")
	t.op("MULXQ", hi, lo, hi)
	t.op("ADDQ", lo, r[0])
	t.op("ADCQ", hi, r[1])
	t.op("ADCQ", imm(0), r[2])
	t.op("ADCQ", imm(0), r[3])
	t.op("SBBQ", lo, lo)
	t.op("ANDQ", "DX", lo)
	t.op("ADDQ", lo, r[0])
	t.op("ADCQ", imm(0), r[1])
}

// fieldStore stores the result.
func (t *text) fieldStore(d element) {
	for i := range 4 {
		t.op("MOVQ", r[i], d.limb(i))
	}
}

// fieldLoad makes a the result.
func (t *text) fieldLoad(a element) {
	for i := range 4 {
		t.op("MOVQ", a.limb(i), r[i])
	}
}

// fieldSub subtracts b from the result.
func (t *text) fieldSub(b element) {
	t.comment("- b")
	for i := range 4 {
		t.op([]string{"SUBQ", "SBBQ", "SBBQ", "SBBQ"}[i], b.limb(i), r[i])
	}
	t.fold("SUBQ", "SBBQ")
}

// fold adds 2^256 - p to the result for the carry that is set, or subtracts it
// for the borrow. A second carry leaves room in limb 0.
func (t *text) fold(add, addCarry string) {
	t.op("MOVQ", imm(foldConst), "DX")
	t.op("SBBQ", lo, lo)
	t.op("ANDQ", "DX", lo)
	t.op(add, lo, r[0])
	for i := 1; i < 4; i++ {
		t.op(addCarry, imm(0), r[i])
	}
	t.op("SBBQ", lo, lo)
	t.op("ANDQ", "DX", lo)
	t.op(add, lo, r[0])
}

func addOrAdc(first bool) string {
	if first {
		return "ADDQ"
	}
	return "ADCQ"
}

// zmm names a vector register.
func zmm(i int) string { return fmt.Sprintf("Z%d", i) }
