//go:build !purego

package sig

import (
	"runtime"

	"moa/nips/sig/internal/ifma"
	"moa/nips/sig/internal/secp"
)

// laneVerifier verifies up to sixteen records at once. What it cannot do in
// lanes goes to a scalar verifier.
type laneVerifier struct {
	scalar *secp.Verifier
	// free has workspaces, 40 KB each, at most one per processor. Not a
	// sync.Pool, for the collector would empty it.
	free chan *ifma.Batch
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
		scalar: secp.NewVerifier(field),
		free:   make(chan *ifma.Batch, runtime.GOMAXPROCS(0)),
	}, nil
}

func (v *laneVerifier) Name() string { return IFMA }

func (v *laneVerifier) Verify(batch []Record, verdicts []bool) {
	verdicts = verdicts[:len(batch)]
	if len(batch) < minLanes {
		v.oneByOne(batch, verdicts)
		return
	}
	lanes := v.take()
	for len(batch) >= minLanes {
		n := min(len(batch), ifma.Lanes)
		v.sideBySide(lanes, batch[:n], verdicts)
		batch, verdicts = batch[n:], verdicts[n:]
	}
	v.give(lanes)
	v.oneByOne(batch, verdicts)
}

// take returns a free workspace, or a new one.
func (v *laneVerifier) take() *ifma.Batch {
	select {
	case b := <-v.free:
		return b
	default:
		return ifma.NewBatch()
	}
}

// give frees a workspace, or leaves it to the collector if there are enough.
func (v *laneVerifier) give(b *ifma.Batch) {
	select {
	case v.free <- b:
	default:
	}
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
