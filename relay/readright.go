package relay

import (
	"encoding/binary"
	"sync/atomic"
	"unique"

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
	kinds kindLists // of the filters
	// asks: the policies are asked about each event that is found, as it is sent.
	asks       bool
	generation atomic.Uint64 // of settings, in which it was asked last
}

// grant begins a right. generation is that of before the policies were asked.
func (r *right) grant(filters []*event.Filter, generation uint64) {
	r.kinds = newKindLists(filters)
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
	lists := r.kinds.lists()
	for _, kinds := range lists {
		if d := st.chain.MayRead(c, kinds); d.Action == policy.Reject {
			return d.Verdict
		}
	}
	asked := r.generation.Load()
	if nthOf(asked) < st.asksSince || !r.asks && asked != st.generation() && c.restricted(st.chain, lists) {
		return policy.Refuse(reason.Error, "who may read has changed meanwhile, ask again")
	}
	return policy.Verdict{}
}

// kindLists are the kinds that each of some filters asks for. Equal ones are one in
// memory: many clients ask for the same.
type kindLists struct{ unique.Handle[string] }

// newKindLists writes each list as numbers: how long it is and one more, or 0 for
// all kinds, and then the kinds.
func newKindLists(filters []*event.Filter) kindLists {
	b := make([]byte, 0, 64)
	for _, f := range filters {
		if f.Kinds == nil {
			b = binary.AppendUvarint(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(f.Kinds)+1))
		for _, kind := range f.Kinds {
			b = binary.AppendUvarint(b, uint64(kind))
		}
	}
	return kindLists{unique.Make(string(b))}
}

// lists are the kinds of each filter; nil: all.
func (k kindLists) lists() (lists [][]uint16) {
	for b := []byte(k.Value()); len(b) > 0; {
		next := func() int {
			n, size := binary.Uvarint(b)
			b = b[size:]
			return int(n)
		}
		var kinds []uint16
		if n := next(); n > 0 {
			kinds = make([]uint16, n-1)
			for i := range kinds {
				kinds[i] = uint16(next())
			}
		}
		lists = append(lists, kinds)
	}
	return lists
}
