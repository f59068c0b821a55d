package policy

import (
	"iter"
	"sync/atomic"
)

// row counts what goes through some links in a row. Accepts are by far the most
// frequent verdicts, so they are not counted but worked out: everything that comes in
// is counted once for the row, and at each link only what is rare. The zero
// row has seen nothing.
type row struct {
	links []*tallied
	came  atomic.Uint64
}

// tallied is a link and what is rare about it. Its zero counts are true.
type tallied struct {
	*Named
	passedBy atomic.Uint64 // Only or Unless left the client and the author out
	spoke    atomic.Uint64 // it said something else than Accept
	decided  atomic.Uint64 // of those: with effect, so that nobody behind it was asked
}

func (r *row) add(n *Named) *tallied {
	t := &tallied{Named: n}
	r.links = append(r.links, t)
	return t
}

// accepted calls yield with how often each link has accepted. While the row is
// asked a number may lag behind, and may be a little less than a moment ago.
func (r *row) accepted(yield func(*Named, uint64) bool) bool {
	asked := r.came.Load()
	for _, t := range r.links {
		passedBy, spoke, decided := t.passedBy.Load(), t.spoke.Load(), t.decided.Load()
		if !yield(t.Named, asked-min(asked, passedBy+spoke)) {
			return false
		}
		asked -= min(asked, decided)
	}
	return true
}

// Accepted is how often each policy has accepted an event, or a filter if it is
// asked about those, since the chain was made. Report tells of everything else.
func (c *Chain) Accepted(at Stage) iter.Seq2[*Named, uint64] {
	return func(yield func(*Named, uint64) bool) {
		switch {
		case c == nil:
		case at == AtEvent:
			_ = c.early.accepted(yield) && c.late.accepted(yield)
		case at == AtFilter:
			c.asked.accepted(yield)
		}
	}
}
