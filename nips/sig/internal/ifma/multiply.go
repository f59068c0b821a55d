//go:build amd64 && !purego

package ifma

// multiplesOfP sets the tables to the odd multiples 1, 3, ... 31 of P and, with
// tableBetaX, of lambda*P, all with the same Z coordinate z. Package secp has
// the same in its multiples.set.
func (b *Batch) multiplesOfP(g groups) {
	twice := &b.accG
	twice.x, twice.y, twice.z = b.px, b.py, b.one
	g.double(twice, &b.temps, 1)
	b.q.x, b.q.y = twice.x, twice.y
	b.scale(g, &b.px, &b.py, &twice.z, 0)
	b.acc.x, b.acc.y, b.acc.z = b.tableX[0], b.tableY[0], b.one
	for i := 1; i < entriesP; i++ {
		g.addAffine(&b.acc, &b.temps, &b.q)
		b.tableX[i], b.tableY[i] = b.acc.x, b.acc.y
		b.ratio[i] = b.temps[0]
	}
	g.mul(&b.z, &b.acc.z, &twice.z)
	z := &b.t[2]
	*z = b.ratio[entriesP-1]
	for i := entriesP - 2; i >= 0; i-- {
		b.scale(g, &b.tableX[i], &b.tableY[i], z, i)
		if i > 0 {
			g.mul(z, z, &b.ratio[i])
		}
	}
	for i := range b.tableX {
		g.mul(&b.tableBetaX[i], &b.tableX[i], &b.beta)
	}
}

// scale sets entry i of the table to (x*z^2, y*z^3).
func (b *Batch) scale(g groups, x, y, z *wide, i int) {
	g.sqr(&b.t[0], z)
	g.mul(&b.t[1], &b.t[0], z)
	g.mul(&b.tableX[i], x, &b.t[0])
	g.mul(&b.tableY[i], y, &b.t[1])
}

// multiplyP sets acc = -e*P: two halves of e, five bits at a time.
func (b *Batch) multiplyP(g groups) {
	last := windowsP - 1
	g.choose(&b.q, &b.tableX, &b.tableY, &b.digitsP1[last])
	b.acc.x, b.acc.y, b.acc.z = b.q.x, b.q.y, b.one
	b.addP2(g, last)
	for i := last - 1; i >= 0; i-- {
		g.double(&b.acc, &b.temps, widthP)
		g.choose(&b.q, &b.tableX, &b.tableY, &b.digitsP1[i])
		g.addAffine(&b.acc, &b.temps, &b.q)
		b.addP2(g, i)
	}
	g.mul(&b.acc.z, &b.acc.z, &b.z) // back to the curve itself
}

// addP2 adds a digit of the half of e that multiplies lambda*P.
func (b *Batch) addP2(g groups, window int) {
	g.choose(&b.q, &b.tableBetaX, &b.tableY, &b.digitsP2[window])
	g.addAffine(&b.acc, &b.temps, &b.q)
}

// multiplyG sets accG = s*G.
func (b *Batch) multiplyG(g groups) {
	table := generatorComb()
	g.gather(&b.q, &table[0], &b.digitsG[0])
	b.accG.x, b.accG.y, b.accG.z = b.q.x, b.q.y, b.one
	for i := 1; i < windowsG; i++ {
		g.gather(&b.q, &table[i], &b.digitsG[i])
		g.addAffine(&b.accG, &b.temps, &b.q)
	}
}
