//go:build amd64 && !purego

package ifma

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkKernels times the kernels for eight and for sixteen lanes.
func BenchmarkKernels(b *testing.B) {
	needIFMA(b)
	r := rand.New(rand.NewPCG(51, 52))
	w := NewBatch()
	for _, v := range []*wide{&w.acc.x, &w.acc.y, &w.acc.z, &w.q.x, &w.q.y} {
		extreme(r, v)
	}
	for i := range w.tableX {
		extreme(r, &w.tableX[i])
		extreme(r, &w.tableY[i])
	}
	table := generatorComb()
	for g := groups(1); g <= 2; g++ {
		for _, kernel := range []struct {
			name string
			run  func()
		}{
			{"mul", func() { g.mul(&w.acc.x, &w.acc.x, &w.q.x) }},
			{"sub", func() { g.sub(&w.acc.x, &w.acc.x, &w.q.x) }},
			{"sqrN100", func() { g.sqrN(&w.acc.x, &w.acc.x, 100) }},
			{"double5", func() { g.double(&w.acc, &w.temps, 5) }},
			{"addAffine", func() { g.addAffine(&w.acc, &w.temps, &w.q) }},
			{"choose", func() { g.choose(&w.q, &w.tableX, &w.tableY, &w.digitsP1[0]) }},
			{"gather", func() { g.gather(&w.q, &table[0], &w.digitsG[0]) }},
			{"liftX", func() { w.liftX(g) }},
			{"multiplesOfP", func() { w.multiplesOfP(g) }},
			{"multiplyP", func() { w.multiplyP(g) }},
			{"multiplyG", func() { w.multiplyG(g) }},
			{"addSums", func() { w.addSums(g) }},
			{"toAffine", func() { w.toAffine(g) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", kernel.name, int(g)*groupLanes), func(b *testing.B) {
				for b.Loop() {
					kernel.run()
				}
			})
		}
	}
}

// BenchmarkSet times the scalar part of a record: hash, split, recoding.
func BenchmarkSet(b *testing.B) {
	w := NewBatch()
	var pubKey, msg [32]byte
	var sig [64]byte
	for b.Loop() {
		w.Set(3, &pubKey, &msg, &sig)
	}
}
