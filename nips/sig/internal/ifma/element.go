//go:build amd64 && !purego

package ifma

import "moa/nips/sig/internal/secp"

const (
	groupLanes = 8              // lanes of a register
	Lanes      = 2 * groupLanes // lanes of a Batch

	limbMask = 1<<52 - 1
)

// limbs is an element of the field in radix 2^52.
type limbs [5]uint64

// split returns a value below 2^256 as limbs, which are carried.
func split(e *secp.Element) limbs {
	return limbs{
		e[0] & limbMask,
		(e[0]>>52 | e[1]<<12) & limbMask,
		(e[1]>>40 | e[2]<<24) & limbMask,
		(e[2]>>28 | e[3]<<36) & limbMask,
		e[3] >> 16,
	}
}

// wide is an element for each of sixteen lanes: by group, limb, lane.
type wide [2][5][groupLanes]uint64

// set sets one lane.
func (w *wide) set(lane int, e *secp.Element) {
	g := &w[lane/groupLanes]
	for i, l := range split(e) {
		g[i][lane%groupLanes] = l
	}
}

// setAll sets all lanes to e.
func (w *wide) setAll(e *secp.Element) {
	for lane := range Lanes {
		w.set(lane, e)
	}
}

// affine and jacobian are points, one per lane; see package secp.
type (
	affine   struct{ x, y wide }
	jacobian struct{ x, y, z wide }
)
