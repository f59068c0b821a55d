package main

import "fmt"

// foldConst is 2^256 - p, to which 2^256 folds.
const foldConst = 0x1000003D1

// fieldFile writes the multiplication of 4x64-bit field elements with two
// carry chains in parallel: ADCX adds low halves of products and ADOX high
// ones. Results are below 2^256, not necessarily below p.
func fieldFile() []byte {
	t := newText("Multiplication modulo p = 2^256 - 0x1000003D1 with MULX, ADCX and ADOX.\n")
	fieldMul(t)
	fieldSqr(t)
	return t.Bytes()
}

// The registers of products. DX is the multiplier that MULX reads.
const lo, hi = "AX", "BX"

// fieldMul is schoolbook multiplication by rows.
func fieldMul(t *text) {
	t.function("mulADX", arg{"d", "DI"}, arg{"a", "SI"}, arg{"b", "CX"})
	r := [8]string{"R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"}
	t.comment("a[0] * b")
	t.op("MOVQ", mem("SI", 0), "DX")
	t.op("MULXQ", mem("CX", 0), r[0], r[1])
	for j := 1; j < 4; j++ {
		t.op("MULXQ", mem("CX", 8*j), lo, r[j+1])
		t.op(addOrAdc(j == 1), lo, r[j])
	}
	t.op("ADCQ", imm(0), r[4])
	for i := 1; i < 4; i++ {
		t.comment("+ a[%d] * b", i)
		t.op("MOVQ", mem("SI", 8*i), "DX")
		t.op("XORQ", r[i+4], r[i+4]) // and clears both carries
		for j := range 4 {
			t.op("MULXQ", mem("CX", 8*j), lo, hi)
			t.op("ADCXQ", lo, r[i+j])
			if j == 3 {
				t.op("MOVQ", imm(0), lo)
			}
			t.op("ADOXQ", hi, r[i+j+1])
		}
		t.op("ADCXQ", lo, r[i+4])
	}
	fieldReduce(t, r)
	fieldStore(t, "DI", r)
	t.op("RET")
}

// fieldSqr squares n times without leaving the registers: the mixed products
// once, doubled while the squares are added.
func fieldSqr(t *text) {
	t.function("sqrADX", arg{"d", "DI"}, arg{"a", "SI"}, arg{"n", "CX"})
	a := [4]string{"R8", "R9", "R10", "R11"}
	for i := range a {
		t.op("MOVQ", mem("SI", 8*i), a[i])
	}
	t.label("square")
	// SI is free from here on; DI is spilled, and loaded again at the end.
	r := [8]string{a[0], "R12", "R13", "R14", "R15", "SI", "DI", a[1]}
	t.comment("a[0] * a[1..3]")
	t.op("MOVQ", a[0], "DX")
	t.op("MULXQ", a[1], r[1], r[2])
	t.op("MULXQ", a[2], lo, r[3])
	t.op("ADDQ", lo, r[2])
	t.op("MULXQ", a[3], lo, r[4])
	t.op("ADCQ", lo, r[3])
	t.op("ADCQ", imm(0), r[4])
	t.comment("+ a[1] * a[2..3]")
	t.op("MOVQ", a[1], "DX")
	t.op("XORQ", r[5], r[5])
	t.op("MULXQ", a[2], lo, hi)
	t.op("ADCXQ", lo, r[3])
	t.op("ADOXQ", hi, r[4])
	t.op("MULXQ", a[3], lo, hi)
	t.op("ADCXQ", lo, r[4])
	t.op("MOVQ", imm(0), lo)
	t.op("ADOXQ", hi, r[5])
	t.op("ADCXQ", lo, r[5])
	t.comment("+ a[2] * a[3]")
	t.op("MOVQ", a[2], "DX")
	t.op("MULXQ", a[3], lo, r[6])
	t.op("ADDQ", lo, r[5])
	t.op("ADCQ", imm(0), r[6])
	t.comment("double that, and add the squares")
	t.op("MOVQ", a[0], "DX")
	t.op("XORQ", lo, lo) // clears both carries
	t.op("MULXQ", "DX", r[0], hi)
	t.op("ADCXQ", r[1], r[1])
	t.op("ADOXQ", hi, r[1])
	for i := 1; i < 4; i++ {
		t.op("MOVQ", a[i], "DX")
		if i == 1 {
			t.op("MOVQ", imm(0), r[7]) // a[1] is no longer needed
		}
		t.op("MULXQ", "DX", lo, hi)
		t.op("ADCXQ", r[2*i], r[2*i])
		t.op("ADOXQ", lo, r[2*i])
		t.op("ADCXQ", r[2*i+1], r[2*i+1])
		t.op("ADOXQ", hi, r[2*i+1])
	}
	fieldReduce(t, r)
	for i := 1; i < 4; i++ {
		t.op("MOVQ", r[i], a[i])
	}
	t.op("DECQ", "CX")
	t.op("JNZ", "square")
	t.op("MOVQ", "d+0(FP)", "DI")
	fieldStore(t, "DI", [8]string{a[0], a[1], a[2], a[3]})
	t.op("RET")
}

// fieldReduce folds the product in r to r[0..3].
func fieldReduce(t *text, r [8]string) {
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

// fieldStore stores r[0..3].
func fieldStore(t *text, pointer string, r [8]string) {
	for i := range 4 {
		t.op("MOVQ", r[i], mem(pointer, 8*i))
	}
}

func addOrAdc(first bool) string {
	if first {
		return "ADDQ"
	}
	return "ADCQ"
}

// zmm names a vector register.
func zmm(i int) string { return fmt.Sprintf("Z%d", i) }
