package badgerstore

import (
	"context"

	"moa/nips/event"
	"moa/store"
)

// Count does what store.Store says. Where an index key proves a match, the
// event is not read.
func (s *Store) Count(ctx context.Context, q store.Query) (int, error) {
	gate, err := s.life.begin()
	if err != nil {
		return 0, err
	}
	defer gate.RUnlock()
	bare := make([]*event.Filter, len(q.Filters))
	for i, f := range q.Filters {
		g := *f
		g.HasLimit = false
		bare[i] = &g
	}
	q.Filters, q.DefaultLimit, q.MaxLimit = bare, 0, 0
	sc := s.newScan(q)
	sc.counting = true
	p := &page{}
	for {
		done, err := sc.next(ctx, p)
		if done || err != nil {
			return p.events, err
		}
	}
}
