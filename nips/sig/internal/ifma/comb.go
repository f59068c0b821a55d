//go:build amd64 && !purego

package ifma

import (
	"sync"

	"moa/nips/sig/internal/secp"
)

// combWindow has the odd multiples 1, 3, ... 255 of 2^(8i) * G in affine
// coordinates.
type combWindow [entriesG]struct{ x, y limbs }

// comb is the table of the fixed-base comb: one window per byte of s, so that
// s*G takes no doubling. 320 KB.
type comb [windowsG]combWindow

// generatorComb is made at first use, in a few milliseconds.
var generatorComb = sync.OnceValue(func() *comb {
	c := new(comb)
	multiples := make([]secp.Affine, entriesG)
	base := secp.Generator
	for i := range c {
		secp.OddMultiples(multiples, &base)
		for j := range multiples {
			c[i][j].x = split(&multiples[j].X)
			c[i][j].y = split(&multiples[j].Y)
		}
		base = base.Shift(widthG)
	}
	return c
})
