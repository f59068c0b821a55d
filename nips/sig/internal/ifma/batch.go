//go:build amd64 && !purego

package ifma

import (
	"unsafe"

	"moa/nips/sig/internal/secp"
)

// laneTable has one coordinate of the odd multiples of each lane's own point.
type laneTable [entriesP]wide

// Batch is the workspace for up to Lanes records. Fill its lanes from 0 on with
// Set, then call Verify. It is not safe for concurrent use, and must come from
// NewBatch, which aligns it to cache lines.
type Batch struct {
	acc, accG jacobian // -e*P and s*G
	sum       jacobian // of the two
	temps     sumTemps
	q         affine
	t         [4]wide
	pow       powers
	px, py    wide // P
	rhs       wide // px^3 + 7

	tableX, tableY, tableBetaX laneTable // odd multiples of P
	ratio                      laneTable // of their Z coordinates
	z                          wide      // that the multiples have

	one, beta wide
	digitsP1  [windowsP]digits // of -k1, where e = k1 + k2*lambda
	digitsP2  [windowsP]digits // of -k2
	digitsG   [windowsG]digits // of s

	r   wide   // x of R, as the signature has it
	bad uint16 // lanes that are refused whatever the sum
	noS uint16 // lanes with s = 0
}

// NewBatch returns an empty Batch.
func NewBatch() *Batch {
	// A Batch has no pointers, so that it may lie in memory made as bytes.
	const align = 64
	memory := make([]byte, unsafe.Sizeof(Batch{})+align)
	start := -uintptr(unsafe.Pointer(&memory[0])) % align
	b := (*Batch)(unsafe.Pointer(&memory[start]))
	b.one.setAll(&secp.Element{1})
	b.beta.setAll(&secp.Beta)
	return b
}

// Set fills a lane with a record.
func (b *Batch) Set(lane int, pubKey, msg *[32]byte, sig *[64]byte) {
	var x, r secp.Element
	var s secp.Scalar
	rBytes := (*[32]byte)(sig[:32])
	if !x.SetBytes(pubKey) || !r.SetBytes(rBytes) || !s.SetBytes((*[32]byte)(sig[32:])) {
		// What the record before left in the lane will do to compute with.
		b.bad |= 1 << lane
		return
	}
	b.bad &^= 1 << lane
	b.noS &^= 1 << lane
	if s == (secp.Scalar{}) {
		b.noS |= 1 << lane
	}
	e := secp.Challenge(rBytes, pubKey, msg)
	k1, k2 := secp.SplitOdd(&e)
	b.px.set(lane, &x)
	b.r.set(lane, &r)
	recodeP(&b.digitsP1, lane, &k1)
	recodeP(&b.digitsP2, lane, &k2)
	recodeG(&b.digitsG, lane, &s)
}

// Verify verifies the lanes 0 to n-1. A bit of valid is set where the record is
// valid, a bit of undecided where only a complete verifier can say.
func (b *Batch) Verify(n int) (valid, undecided uint16) {
	g := groups(1)
	if n > groupLanes {
		g = 2
	}
	b.liftX(g)
	b.multiplesOfP(g)
	b.multiplyP(g)
	b.multiplyG(g)
	infinite := b.addSums(g)
	b.toAffine(g)
	g.sub(&b.t[0], &b.sum.x, &b.r)
	sameX, _ := g.zeroAndOdd(&b.t[0])
	_, oddY := g.zeroAndOdd(&b.sum.y)
	noSum, _ := g.zeroAndOdd(&b.sum.z)
	open := uint16(1<<n-1) &^ b.bad
	return open & sameX &^ (oddY | noSum), open & noSum &^ infinite
}
