package relay

import (
	"sync/atomic"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
)

// Which clients may read is decided when a REQ, a COUNT or a NEG-OPEN comes, and again
// before anything more is sent for it if people, policies or settings have
// changed meanwhile:
//
//  1. settings.generation numbers the states of what decides.
//  2. Each question keeps the right that let it in, with the generation in which
//     it was asked last.
//  3. Where something is about to be sent, the two are compared. If they differ
//     the right is asked about anew, and what has lost it ends with the reason.
//  4. Server.review does the same where nothing is sent, so that no client believes
//     that it is subscribed when it is not.

// right is what let one question in.
type right struct {
	kinds [][]uint16 // of each filter; nil: all
	// asks: the policies are asked about each event that is found, as it is sent.
	asks       bool
	generation atomic.Uint64 // of settings, in which it was asked last
}

// grant begins a right. generation is that of before the policies were asked.
func (r *right) grant(filters []*event.Filter, generation uint64) {
	r.kinds = askedKinds(filters)
	r.generation.Store(generation)
}

// lost says why the right does not hold any more. An Accept: it does.
func (r *right) lost(c *client) policy.Verdict {
	st := c.settings.Load()
	now := st.generation()
	if now == r.generation.Load() {
		return policy.Verdict{}
	}
	v := r.refused(c, st)
	if v.Action != policy.Reject {
		r.generation.Store(now)
	}
	return v
}

// refused asks, whatever the generation.
func (r *right) refused(c *client, st *settings) policy.Verdict {
	for _, kinds := range r.kinds {
		if d := st.chain.MayRead(c, kinds); d.Action == policy.Reject {
			return d.Verdict
		}
	}
	asked := r.generation.Load()
	if nthOf(asked) < st.asksSince || !r.asks && asked != st.generation() && c.restricted(st.chain, r.kinds) {
		return policy.Refuse(reason.Error, "who may read has changed meanwhile, ask again")
	}
	return policy.Verdict{}
}
