package memstore

import (
	"context"
	"slices"

	"moa/nips/event"
	"moa/store"
)

// Remove does what store.Remover says.
func (s *Store) Remove(_ context.Context, ids []event.ID) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, store.ErrClosed
	}
	s.removeLocked(func(e *event.Event) bool {
		if !slices.Contains(ids, e.ID) {
			return false
		}
		n++
		return true
	})
	return n, nil
}
