package relay

import (
	"context"
	"errors"

	"moa/nips/event"
	"moa/store"
)

// ErrCannotRemove says that the store is no store.Remover.
var ErrCannotRemove = errors.New("relay: this store removes nothing for an operator")

// maxRemoval is how many events are removed between two commits.
const maxRemoval = 500

// Remove removes stored events for an operator, and returns how many there were.
// Live subscriptions are not told. To keep them out is a policy's business.
func (s *Server) Remove(ctx context.Context, ids []event.ID) (int, error) {
	if _, ok := s.store.(store.Remover); !ok {
		return 0, ErrCannotRemove
	}
	total := 0
	for len(ids) > 0 {
		n := min(len(ids), maxRemoval)
		done := make(chan removed, 1)
		if err := s.ingest.ask(removal{ids[:n], done}); err != nil {
			return total, err
		}
		select {
		case r := <-done:
			total += r.events
			if r.err != nil {
				return total, r.err
			}
		case <-ctx.Done():
			return total, ctx.Err()
		}
		ids = ids[n:]
	}
	return total, nil
}
