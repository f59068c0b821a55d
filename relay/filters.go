package relay

import (
	"fmt"
	"slices"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
)

// admit holds the filters of a REQ, COUNT or NEG-OPEN to the limits and asks
// the policies about every one of them, also of a `limit:0`. If it refuses, the
// caller tells the client. The filters that it returns, in the same memory, are
// those to be answered.
func (c *client) admit(st *settings, id string, filters []*event.Filter, count bool) ([]*event.Filter, policy.Verdict) {
	l := &st.cfg.Limits
	if len(filters) > l.Filters {
		return nil, policy.Refuse(reason.Invalid, fmt.Sprintf("more than %d filters", l.Filters))
	}
	ctx := background
	if st.chain.WantsSubID() {
		ctx = policy.WithSubID(ctx, id)
	}
	for i, f := range filters {
		if values(f) > l.FilterValues {
			return nil, policy.Refuse(reason.Invalid, fmt.Sprintf("more than %d values in one filter", l.FilterValues))
		}
		f, d := st.chain.Rewrite(ctx, c, f)
		if d.Action == policy.Reject {
			return nil, d.Verdict
		}
		if f.Search != "" { // and no policy has taken it out
			return nil, policy.Refuse(reason.Unsupported, "this relay does not search")
		}
		d = st.chain.Filter(ctx, c, f)
		if d.Action == policy.Accept && count {
			d = st.chain.Count(ctx, c, f)
		}
		if d.Action == policy.Reject {
			if d.Reason == reason.AuthRequired {
				c.RequestAuth()
			}
			return nil, d.Verdict
		}
		filters[i] = f
	}
	return filters, policy.Verdict{}
}

// withholds reports whether there may be more by the filters than is answered: by
// tags that are not indexed, and what the client would find if it had
// authenticated. The client is asked to authenticate, before anything is answered,
// if the filter seems to be after such events: it names their kinds or people, and no
// ids.
func (c *client) withholds(st *settings, filters []*event.Filter) (some bool) {
	for _, f := range filters {
		if f.Unindexed != "" {
			some = true // whatever there is
			continue
		}
		if f.Never() || !st.chain.Withholds(c, f.Kinds) {
			continue
		}
		some = true
		if f.IDs == nil && (f.Kinds != nil || f.Authors != nil || namesPeople(f)) {
			c.RequestAuth()
		}
	}
	return some
}

// namesPeople reports `#p`.
func namesPeople(f *event.Filter) bool {
	return slices.ContainsFunc(f.Tags, func(t event.TagFilter) bool { return t.Name == 'p' })
}
