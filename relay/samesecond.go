package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"moa/nips/event"
	"moa/store"
)

// tied is the scan of a client that goes back page by page, each with the
// `until` of the oldest event of the last one. When a page is all of that
// second, the next would be the same again, and the client would never come
// further: so the rest of the second follows, up to limits.limit events (NIP-67,
// "Semantics around created_at ties").
type tied struct {
	c     *client
	query store.Query
	until int64      // of each of its filters
	scan  store.Scan // of the query; of the second's rest once that is due

	found int
	last  event.ID // found
	sent  []uint64 // the beginnings of the ids of all that was found, if there are several filters
	mixed bool     // an event of another second was found
	rest  bool     // scan is that of the rest
	more  int      // found of the rest
}

// maxTied is how many events of a page of several filters are remembered. A larger
// page is not followed by the rest of its second.
const maxTied = 4096

// ties wraps the scan of a query that may be such a page.
func (c *client) ties(q store.Query, scan store.Scan) store.Scan {
	if !mayTie(q.Filters) {
		return scan
	}
	return &tied{c: c, query: q, until: q.Filters[0].Until, scan: scan}
}

// mayTie reports filters that may be asked for such a page. One event alone is no page:
// that client wants the newest.
func mayTie(filters []*event.Filter) bool {
	return !slices.ContainsFunc(filters, func(f *event.Filter) bool {
		return !f.HasUntil || f.Until != filters[0].Until || f.HasLimit && f.Limit < 2
	})
}

// tiedBytes is what may be remembered of the page that the query asks for.
func tiedBytes(q *store.Query) (n int) {
	if len(q.Filters) == 1 || !mayTie(q.Filters) {
		return 0
	}
	for _, f := range q.Filters {
		limit := q.LimitOf(f)
		if limit == store.Unlimited {
			limit = maxTied
		}
		n = min(n+limit, maxTied)
	}
	return 8 * n
}

// errOlder ends the scan of the rest at the first event of another second, and
// where there are too many of it: there is more.
var errOlder = errors.New("relay: the second is over")

func (t *tied) Next(ctx context.Context, page store.Page, found func(*store.Record) error) (store.Progress, error) {
	p, err := t.scan.Next(ctx, page, func(r *store.Record) error {
		switch {
		case !t.rest:
			t.note(r)
		case r.CreatedAt != t.until:
			return errOlder
		case t.had(r.ID):
			return nil
		case t.more == t.query.MaxLimit:
			return errOlder
		default:
			t.more++
		}
		return found(r)
	})
	if errors.Is(err, errOlder) {
		return store.Progress{Done: true}, nil
	}
	if err != nil || !p.Done || p.All || t.rest || t.mixed || t.found == 0 {
		return p, err
	}
	q := t.query
	q.Filters, q.MaxLimit = make([]*event.Filter, len(t.query.Filters)), 0
	for i, f := range t.query.Filters {
		longer := *f
		longer.HasLimit, longer.Limit = true, t.found+t.query.MaxLimit
		q.Filters[i] = &longer
	}
	slices.Sort(t.sent)
	t.scan, t.rest = t.c.scan(q), true
	p.Done = false
	return p, nil
}

// note takes note of an event of the page.
func (t *tied) note(r *store.Record) {
	t.found++
	t.last = r.ID
	if t.mixed = t.mixed || r.CreatedAt != t.until || len(t.sent) == maxTied; t.mixed {
		t.sent = nil
		return
	}
	if len(t.query.Filters) > 1 {
		t.sent = append(t.sent, beginning(r.ID))
	}
}

// had reports whether the page had an event of the second. Those of one filter come
// by their ids; of several each has come as far as its own limit.
func (t *tied) had(id event.ID) bool {
	if t.sent == nil {
		return bytes.Compare(id[:], t.last[:]) <= 0
	}
	_, ok := slices.BinarySearch(t.sent, beginning(id))
	return ok
}

// beginning is what tells the events of one page apart.
func beginning(id event.ID) uint64 { return binary.BigEndian.Uint64(id[:]) }
