package memstore

import (
	"context"
	"slices"
	"sort"

	"moa/nips/event"
	"moa/store"
)

// Scan does what store.Store says.
func (s *Store) Scan(q store.Query) store.Scan {
	sc := &scan{s: s, q: q, left: make([]int, len(q.Filters))}
	for i, f := range q.Filters {
		sc.left[i] = q.LimitOf(f)
	}
	return sc
}

type scan struct {
	s     *Store
	q     store.Query
	left  []int // of each filter's limit
	place entry // the last one looked at, if its Event is not nil
	cut   bool  // a limit left a match out
}

// Next does what store.Scan says.
func (sc *scan) Next(ctx context.Context, page store.Page, found func(*store.Record) error) (p store.Progress, err error) {
	bytes := 0
	for {
		batch, err := sc.read()
		if err != nil {
			return p, err
		}
		if len(batch) == 0 || sc.decided() {
			p.Done, p.All = true, !sc.cut
			return p, nil
		}
		for _, n := range batch {
			if err := ctx.Err(); err != nil {
				return p, err
			}
			sc.place = n
			p.Work++
			if r := sc.take(n); r != nil {
				p.Found++
				bytes += len(r.Raw)
				if found != nil {
					if err := found(r); err != nil {
						return p, err
					}
				}
			}
			if full(p.Found, page.Events) || full(bytes, page.Bytes) || full(p.Work, page.Work) {
				return p, nil
			}
			if sc.decided() {
				break
			}
		}
	}
}

func full(n, bound int) bool { return bound > 0 && n >= bound }

// decided reports that nothing more can change the answer.
func (sc *scan) decided() bool {
	return sc.cut && !slices.ContainsFunc(sc.left, func(n int) bool { return n != 0 })
}

// read copies what comes next, so that no lock is held while found runs.
func (sc *scan) read() ([]entry, error) {
	sc.s.mu.RLock()
	defer sc.s.mu.RUnlock()
	if sc.s.closed {
		return nil, store.ErrClosed
	}
	events := sc.s.events
	if sc.place.Event != nil {
		at := sort.Search(len(events), func(i int) bool { return compare(events[i], sc.place) > 0 })
		events = events[at:]
	}
	const most = 256
	return slices.Clone(events[:min(len(events), most)]), nil
}

// take returns the record of n if it is found, and counts it.
func (sc *scan) take(n entry) *store.Record {
	if !visible(&sc.q, n) {
		return nil
	}
	var wanted, missed bool
	for i, f := range sc.q.Filters {
		if f.Matches(n.Event) {
			wanted = wanted || sc.left[i] != 0
			missed = missed || sc.left[i] == 0
		}
	}
	if !wanted && !missed {
		return nil
	}
	r := record(n)
	if sc.q.Visible != nil && !sc.q.Visible(r) {
		return nil
	}
	for i, f := range sc.q.Filters {
		if sc.left[i] > 0 && f.Matches(n.Event) {
			sc.left[i]--
		}
	}
	if !wanted {
		sc.cut = true
		return nil
	}
	return r
}

func record(n entry) *store.Record {
	return &store.Record{Serial: n.serial, ID: n.ID, PubKey: n.PubKey, Kind: n.Kind, CreatedAt: n.CreatedAt, Raw: n.Raw, Stable: true}
}

// visible is everything about a query but its filters.
func visible(q *store.Query, n entry) bool {
	return (q.UpTo == 0 || n.serial <= q.UpTo) && (n.Expiration == 0 || n.Expiration > q.Now) &&
		(q.Private == nil || !q.Private.Has(n.Kind) || involves(n.Event, q.Private.People))
}

func involves(e *event.Event, people []event.PubKey) bool {
	return slices.ContainsFunc(people, func(pk event.PubKey) bool {
		return e.PubKey == pk || slices.ContainsFunc(e.Tags, func(t event.Tag) bool {
			return len(t) > 1 && t[0] == "p" && t[1] == pk.String()
		})
	})
}

// Count does what store.Store says.
func (s *Store) Count(q store.Query) store.Scan {
	sc := &scan{s: s, q: q, left: make([]int, len(q.Filters))}
	for i := range sc.left {
		sc.left[i] = store.Unlimited
	}
	return sc
}
