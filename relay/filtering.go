package relay

import (
	"fmt"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/relay/shares"
)

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
