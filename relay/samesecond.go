package relay

import (
	"bytes"
	"context"
	"errors"

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
	query store.Query // of one filter
	scan  store.Scan  // of the query; of the second's rest once that is due

	found int
	last  event.ID // found
	mixed bool     // an event of another second was found
	rest  bool     // scan is that of the rest
}

// ties wraps the scan of a query that may be such a page. One event alone is no
// page: that client wants the newest.
func (c *client) ties(q store.Query, scan store.Scan) store.Scan {
	if len(q.Filters) != 1 || !q.Filters[0].HasUntil || q.Filters[0].HasLimit && q.Filters[0].Limit < 2 {
		return scan
	}
	return &tied{c: c, query: q, scan: scan}
}

// errOlder ends the scan of the rest at the first event of another second: there
// is more.
var errOlder = errors.New("relay: the second is over")

func (t *tied) Next(ctx context.Context, page store.Page, found func(*store.Record) error) (store.Progress, error) {
	p, err := t.scan.Next(ctx, page, func(r *store.Record) error {
		older := r.CreatedAt != t.query.Filters[0].Until
		switch {
		case t.rest && older:
			return errOlder
		case t.rest && bytes.Compare(r.ID[:], t.last[:]) <= 0:
			return nil // the page had it; those of one second come by their ids
		case !t.rest:
			t.found++
			t.last, t.mixed = r.ID, t.mixed || older
		}
		return found(r)
	})
	if errors.Is(err, errOlder) {
		return store.Progress{Done: true}, nil
	}
	if err != nil || !p.Done || p.All || t.rest || t.mixed || t.found == 0 {
		return p, err
	}
	longer := *t.query.Filters[0]
	longer.HasLimit, longer.Limit = true, t.found+t.query.MaxLimit
	q := t.query
	q.Filters, q.MaxLimit = []*event.Filter{&longer}, 0
	t.scan, t.rest = t.c.scan(q), true
	p.Done = false
	return p, nil
}
