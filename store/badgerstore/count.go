package badgerstore

import (
	"moa/nips/event"
	"moa/store"
)

// Count does what store.Store says. Where an index key proves a match, the
// event is not read.
func (s *Store) Count(q store.Query) store.Scan {
	bare := make([]*event.Filter, len(q.Filters))
	for i, f := range q.Filters {
		g := *f
		g.HasLimit = false
		bare[i] = &g
	}
	q.Filters, q.DefaultLimit, q.MaxLimit = bare, 0, 0
	sc := s.newScan(q)
	sc.counting = true
	return sc
}
