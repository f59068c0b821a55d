package relay

import (
	"fmt"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
)

// admit holds the filters of a REQ or COUNT to the limits and asks the
// policies about every one of them, a `limit:0` no less. False: it has answered
// with CLOSED. The filters that it returns, in the same memory, are those to be
// answered.
func (s *session) admit(st *settings, id string, filters []*event.Filter, count bool) ([]*event.Filter, bool) {
	l := &st.cfg.Limits
	if len(filters) > l.Filters {
		s.closed(id, reason.Invalid, fmt.Sprintf("more than %d filters", l.Filters))
		return nil, false
	}
	ctx := background
	if st.chain.WantsSubID() {
		ctx = policy.WithSubID(ctx, id)
	}
	for i, f := range filters {
		if values(f) > l.FilterValues {
			s.closed(id, reason.Invalid, fmt.Sprintf("more than %d values in one filter", l.FilterValues))
			return nil, false
		}
		f = st.chain.Rewrite(ctx, s, f)
		if f.Search != "" { // and no policy has taken it out
			s.closed(id, reason.Unsupported, "this relay does not search")
			return nil, false
		}
		d := st.chain.Filter(ctx, s, f)
		if d.Action == policy.Accept && count {
			d = st.chain.Count(ctx, s, f)
		}
		if d.Action == policy.Reject {
			if d.Reason == reason.AuthRequired {
				s.RequestAuth()
			}
			s.closed(id, d.Reason, d.Text)
			return nil, false
		}
		filters[i] = f
	}
	return filters, true
}

// values counts what the filter's lists hold together.
func values(f *event.Filter) int {
	n := len(f.IDs) + len(f.Authors) + len(f.Kinds)
	for _, t := range f.Tags {
		n += len(t.Values) + len(t.Regions)
	}
	return n
}
