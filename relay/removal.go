package relay

import (
	"context"
	"errors"

	"moa/nips/event"
	"moa/store"
)

// ErrCannotRemove says that the store is no store.Remover.
var ErrCannotRemove = errors.New("relay: this store removes nothing for an operator")

// removal is what an operator wants removed, and the way back to them.
type removal struct {
	ids  []event.ID
	done chan<- removed // has room for the answer
}

type removed struct {
	events int
	err    error
}

// maxRemoval is how many events are removed between two commits.
const maxRemoval = 500

// Remove removes stored events for an operator, and returns how many there were.
// Live subscriptions are not told. To keep them out is a policy's business.
func (s *Server) Remove(ctx context.Context, ids []event.ID) (int, error) {
	if _, ok := s.deps.Store.(store.Remover); !ok {
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

// ask has the writer remove events, between its commits.
func (in *ingest) ask(r removal) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return errors.New("relay: it is shutting down")
	}
	in.removals = append(in.removals, r)
	in.work.Signal()
	return nil
}

// choresLocked reports that there is something to do for the writer besides
// tickets.
func (in *ingest) choresLocked() bool { return in.expire || len(in.removals) > 0 }

// remove removes what was asked for. Its caller leads.
func (in *ingest) remove() {
	in.mu.Lock()
	asked := in.removals
	in.removals = nil
	in.mu.Unlock()
	for _, r := range asked {
		n, err := in.store.(store.Remover).Remove(in.life, r.ids)
		r.done <- removed{n, err}
	}
}
