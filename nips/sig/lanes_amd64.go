//go:build !purego

package sig

import (
	"sync"

	"moa/nips/sig/internal/ifma"
	"moa/nips/sig/internal/secp"
)

// laneVerifier verifies up to sixteen records at once. What it cannot do in
// lanes goes to a scalar verifier.
type laneVerifier struct {
	scalar  *secp.Verifier
	batches sync.Pool // of *ifma.Batch
}

// minLanes is the number of records from which on lanes are faster than one
// record after the other: eight lanes cost less than two records.
const minLanes = 2

func openIFMA() (Verifier, error) {
	if !ifma.Supported() {
		return nil, ErrUnsupported
	}
	field, _ := secp.ADX() // else pure Go
	return &laneVerifier{
		scalar:  secp.NewVerifier(field),
		batches: sync.Pool{New: func() any { return ifma.NewBatch() }},
	}, nil
}

func (v *laneVerifier) Name() string { return IFMA }

func (v *laneVerifier) Verify(batch []Record, verdicts []bool) {
	verdicts = verdicts[:len(batch)]
	if len(batch) < minLanes {
		v.oneByOne(batch, verdicts)
		return
	}
	lanes := v.batches.Get().(*ifma.Batch)
	for len(batch) >= minLanes {
		n := min(len(batch), ifma.Lanes)
		v.sideBySide(lanes, batch[:n], verdicts)
		batch, verdicts = batch[n:], verdicts[n:]
	}
	v.batches.Put(lanes)
	v.oneByOne(batch, verdicts)
}

// sideBySide verifies up to ifma.Lanes records.
func (v *laneVerifier) sideBySide(lanes *ifma.Batch, batch []Record, verdicts []bool) {
	for i := range batch {
		r := &batch[i]
		lanes.Set(i, &r.PubKey, &r.Msg, &r.Sig)
	}
	valid, undecided := lanes.Verify(len(batch))
	for i := range batch {
		verdicts[i] = valid>>i&1 == 1
		if undecided>>i&1 == 1 {
			v.oneByOne(batch[i:i+1], verdicts[i:i+1])
		}
	}
}

// oneByOne verifies with the complete scalar verifier.
func (v *laneVerifier) oneByOne(batch []Record, verdicts []bool) {
	for i := range batch {
		r := &batch[i]
		verdicts[i] = v.scalar.Verify(&r.PubKey, &r.Msg, &r.Sig)
	}
}
