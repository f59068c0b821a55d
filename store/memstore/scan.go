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
func (sc *scan) Next(ctx context.Context, page store.Page, found func(*store.Record) error) (store.Progress, error) {
	var events, bytes, work int
	for {
		batch, err := sc.read()
		if err != nil {
			return store.Progress{}, err
		}
		if len(batch) == 0 || sc.decided() {
			return store.Progress{Done: true, All: !sc.cut}, nil
		}
		for _, n := range batch {
			if err := ctx.Err(); err != nil {
				return store.Progress{}, err
			}
			sc.place = n
			work++
			if r := sc.take(n); r != nil {
				events++
				bytes += len(r.Raw)
				if err := found(r); err != nil {
					return store.Progress{}, err
				}
			}
			if full(events, page.Events) || full(bytes, page.Bytes) || full(work, page.Work) {
				return store.Progress{}, nil
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
	return (q.UpTo == 0 || n.serial <= q.UpTo) && (n.Expiration == 0 || n.Expiration > q.Now)
}

// Count does what store.Store says.
func (s *Store) Count(ctx context.Context, q store.Query) (int, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return 0, store.ErrClosed
	}
	count := 0
	for _, n := range s.events {
		matches := func(f *event.Filter) bool { return f.Matches(n.Event) }
		if visible(&q, n) && slices.ContainsFunc(q.Filters, matches) && (q.Visible == nil || q.Visible(record(n))) {
			count++
		}
	}
	return count, ctx.Err()
}
