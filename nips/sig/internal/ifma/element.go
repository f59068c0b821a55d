//go:build amd64 && !purego

package ifma

import "moa/nips/sig/internal/secp"

const (
	groupLanes = 8              // lanes of a register
	Lanes      = 2 * groupLanes // lanes of a Batch

	limbBits = 52
	limbMask = 1<<limbBits - 1
	topBits  = 256 - 4*limbBits
	topMask  = 1<<topBits - 1
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

// join returns the residue of carried limbs, in [0, p).
func (l *limbs) join() secp.Element {
	top := l[4] >> topBits // 2^256 is 2^256 - p; the rest is below 2^256
	e := secp.Element{
		l[0] | l[1]<<52,
		l[1]>>12 | l[2]<<40,
		l[2]>>24 | l[3]<<28,
		l[3]>>36 | (l[4]&topMask)<<16,
	}
	var f secp.Field
	f.Add(&e, &e, &secp.Element{top * fold256})
	return e.Normalize()
}

// fold256 is 2^256 - p.
const fold256 = 0x1000003D1

// wide is an element for each of sixteen lanes: by group, limb, lane.
type wide [2][5][groupLanes]uint64

// set sets one lane.
func (w *wide) set(lane int, e *secp.Element) {
	g := &w[lane/groupLanes]
	for i, l := range split(e) {
		g[i][lane%groupLanes] = l
	}
}

// get returns the residue of one lane, in [0, p).
func (w *wide) get(lane int) secp.Element {
	var l limbs
	g := &w[lane/groupLanes]
	for i := range l {
		l[i] = g[i][lane%groupLanes]
	}
	return l.join()
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
