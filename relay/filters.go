package relay

import (
	"context"
	"fmt"
	"slices"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/relay/shares"
)

// admit holds the filters of a REQ, COUNT or NEG-OPEN to the limits and asks
// the policies about every one of them, also of a `limit:0`. If it refuses, the
// caller tells the client: of several filters, which one it is about. The filters
// that it returns, in the same memory, are those to be answered.
func (c *client) admit(st *settings, id string, filters []*event.Filter, count bool) ([]*event.Filter, policy.Verdict) {
	if most := st.cfg.Limits.Filters; len(filters) > most {
		return nil, policy.Refuse(reason.Invalid, fmt.Sprintf("more than %d filters", most))
	}
	ctx := background
	if st.chain.WantsSubID() {
		ctx = policy.WithSubID(ctx, id)
	}
	for i, f := range filters {
		f, v := c.admitOne(ctx, st, f, count)
		if v.Action == policy.Reject {
			if len(filters) > 1 {
				v.Text = fmt.Sprintf("filter %d: %s", i+1, v.Text)
			}
			return nil, v
		}
		filters[i] = f
	}
	return filters, policy.Verdict{}
}

func (c *client) admitOne(ctx context.Context, st *settings, f *event.Filter, count bool) (*event.Filter, policy.Verdict) {
	if most := st.cfg.Limits.FilterValues; values(f) > most {
		return nil, policy.Refuse(reason.Invalid, fmt.Sprintf("more than %d values in one filter", most))
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
	if d.Reason == reason.AuthRequired && d.Action == policy.Reject {
		c.RequestAuth()
	}
	return f, d.Verdict
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

// What a filter and each value in it take in memory while it is open, besides
// the value itself: the filter's own lists, those of the live index, and of what
// is read for it the place in each list of the store.
const (
	filterCost = 512
	valueCost  = 192
)

// filterBytes is about what the filters take.
func filterBytes(filters []*event.Filter) (n int) {
	for _, f := range filters {
		n += filterCost + values(f)*valueCost
		n += len(f.IDs)*len(event.ID{}) + len(f.Authors)*len(event.PubKey{}) + len(f.Search)
		for _, t := range f.Tags {
			for _, v := range t.Values {
				n += len(v)
			}
		}
	}
	return n
}

// holdFilters charges n bytes of filters to the connection, its address and all.
// A Verdict that rejects says whose bound that would be beyond.
func (c *client) holdFilters(st *settings, n int) policy.Verdict {
	most := st.cfg.Limits.FilterBytes
	if c.filters.Add(int64(n)) > int64(most) {
		c.filters.Add(-int64(n))
		c.ledger.Refuse(shares.Filters, shares.Connection)
		return policy.Refuse(reason.RateLimited, fmt.Sprintf("the filters that are open on this connection would take more than %d KiB", most>>10))
	}
	switch whose := c.account.Take(shares.Filters, n); whose {
	case shares.Address:
		c.filters.Add(-int64(n))
		return policy.Refuse(reason.RateLimited, "too many filters are open from your address")
	case shares.All:
		c.filters.Add(-int64(n))
		return policy.Refuse(reason.RateLimited, "too many filters are open on this relay, try again later")
	}
	return policy.Verdict{}
}

func (c *client) releaseFilters(n int) {
	c.filters.Add(-int64(n))
	c.account.Give(shares.Filters, n)
}

// values counts what the filter's lists hold together.
func values(f *event.Filter) int {
	n := len(f.IDs) + len(f.Authors) + len(f.Kinds)
	for _, t := range f.Tags {
		n += len(t.Values) + len(t.Regions)
	}
	return n
}
