package main

// pointFunctions writes the functions of package secp's point_generic.go in one
// piece each.
func pointFunctions(t *text) {
	p := point{"DI"}
	d := [2]element{{"CX", 0}, {"CX", 32}}
	t.function("doubleADX", 3*32, arg{"p", "DI"})
	t.double(p)
	t.op("RET")
	t.function("addHeadADX", 32, arg{"d", "CX"}, arg{"p", "DI"}, arg{"q", "SI"})
	t.addHead(d[0], d[1], p, point{"SI"})
	t.op("RET")
	t.function("addTailADX", 3*32, arg{"p", "DI"}, arg{"d", "CX"})
	t.addTail(p, d[0], d[1])
	t.op("RET")
}

// point is a point in memory.
type point struct{ register string }

func (p point) x() element { return element{p.register, 0} }
func (p point) y() element { return element{p.register, 32} }
func (p point) z() element { return element{p.register, 64} }

// temp is a temporary element in the frame.
func temp(n int) element { return element{"SP", 32 * n} }

func (t *text) double(p point) {
	l, s, u := temp(0), temp(1), temp(2)
	t.comment("Z3 = Y1*Z1")
	t.fieldMul(p.y(), p.z())
	t.fieldStore(p.z())
	t.comment("L = 3/2*X1^2")
	t.fieldSqr(p.x())
	t.fieldThreeHalves()
	t.fieldStore(l)
	t.comment("S = Y1^2")
	t.fieldSqr(p.y())
	t.fieldStore(s)
	t.comment("T = X1*S")
	t.fieldMul(s, p.x())
	t.fieldStore(u)
	t.comment("X3 = L^2 - 2*T")
	t.fieldSqr(l)
	t.fieldSub(u)
	t.fieldSub(u)
	t.fieldStore(p.x())
	t.comment("Y3 = L*(T - X3) - S^2")
	t.fieldLoad(u)
	t.fieldSub(p.x())
	t.fieldStore(u)
	t.fieldSqr(s)
	t.fieldStore(s)
	t.fieldMul(l, u)
	t.fieldSub(s)
	t.fieldStore(p.y())
}

func (t *text) addHead(h, d element, p, q point) {
	zz := temp(0)
	t.comment("H = X2*Z1^2 - X1")
	t.fieldSqr(p.z())
	t.fieldStore(zz)
	t.fieldMul(q.x(), zz)
	t.fieldSub(p.x())
	t.fieldStore(h)
	t.comment("R = Y2*Z1^3 - Y1")
	t.fieldMul(p.z(), zz)
	t.fieldStore(d)
	t.fieldMul(q.y(), d)
	t.fieldSub(p.y())
	t.fieldStore(d)
}

func (t *text) addTail(p point, h, d element) {
	hh, hhh, v := temp(0), temp(1), temp(2)
	t.comment("Z3 = Z1*H")
	t.fieldMul(p.z(), h)
	t.fieldStore(p.z())
	t.comment("H^2, V = X1*H^2, H^3")
	t.fieldSqr(h)
	t.fieldStore(hh)
	t.fieldMul(p.x(), hh)
	t.fieldStore(v)
	t.fieldMul(h, hh)
	t.fieldStore(hhh)
	t.comment("X3 = R^2 - H^3 - 2*V")
	t.fieldSqr(d)
	t.fieldSub(hhh)
	t.fieldSub(v)
	t.fieldSub(v)
	t.fieldStore(p.x())
	t.comment("Y3 = R*(V - X3) - Y1*H^3")
	t.fieldLoad(v)
	t.fieldSub(p.x())
	t.fieldStore(v)
	t.fieldMul(p.y(), hhh)
	t.fieldStore(hhh)
	t.fieldMul(d, v)
	t.fieldSub(hhh)
	t.fieldStore(p.y())
}

// fieldThreeHalves adds its half to the result: itself, plus p if it is odd,
// shifted right.
func (t *text) fieldThreeHalves() {
	t.comment("* 3/2")
	const odd, carry = lo, hi
	t.op("MOVQ", r[0], odd)
	t.op("ANDQ", imm(1), odd)
	t.op("NEGQ", odd) // all ones, like limbs 1-3 of p, or zero
	t.op("MOVQ", "$-0x1000003D1", "DX")
	t.op("ANDQ", odd, "DX")
	for i := range 4 {
		t.op("MOVQ", r[i], r[4+i])
	}
	t.op("ADDQ", "DX", r[4])
	for i := 5; i < 8; i++ {
		t.op("ADCQ", odd, r[i])
	}
	t.op("SBBQ", carry, carry)
	for i := 4; i < 7; i++ {
		t.op("SHRQ", "$1", r[i+1], r[i])
	}
	t.op("SHRQ", "$1", carry, r[7])
	for i := range 4 {
		t.op(addOrAdc(i == 0), r[4+i], r[i])
	}
	t.fold("ADDQ", "ADCQ")
}
