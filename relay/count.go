package relay

import (
	"slices"
	"time"

	"moa/nips/event"
	"moa/nips/nip45"
	"moa/policy"
	"moa/store"
)

// count answers a COUNT.
func (s *session) count(st *settings, id string, filters []*event.Filter) {
	if s.subs == nil {
		s.subs = newSubscriptions(&s.client)
	}
	if s.counts == nil {
		s.counts = newCounts(&s.client, s.subs)
	}
	generation := st.generation() // before the policies are asked
	filters, v := s.admit(st, id, filters, true)
	if v.Action == policy.Reject {
		s.subs.refuse(id, v.Reason, v.Text)
		return
	}
	filters = fewest(filters)
	c := &counting{id: id, query: s.storeQuery(st, filters), right: new(right), bytes: filterBytes(filters), start: time.Now()}
	c.right.grant(filters, generation)
	c.partly = s.withholds(st, filters)
	if st.cfg.CountSketches {
		c.sketch = nip45.New(filters)
	}
	if c.sketch != nil {
		c.query.Visible = sketched(c.sketch, c.query.Visible)
	}
	if v := s.counts.queue(st, c); v.Action == policy.Reject {
		s.subs.refuse(id, v.Reason, v.Text)
	}
}

// fewest drops those of the filters whose events another one finds.
func fewest(filters []*event.Filter) []*event.Filter {
	var kept []*event.Filter
	for i, f := range filters {
		needless := func(by *event.Filter) bool { return by != f && by.Covers(f) }
		if !slices.ContainsFunc(kept, needless) && !slices.ContainsFunc(filters[i+1:], needless) {
			kept = append(kept, f)
		}
	}
	return kept
}

// sketched has the authors of what is visible counted in the sketch.
func sketched(to *nip45.Sketch, visible func(*store.Record) bool) func(*store.Record) bool {
	return func(r *store.Record) bool {
		if visible != nil && !visible(r) {
			return false
		}
		to.Add(&r.PubKey)
		return true
	}
}
