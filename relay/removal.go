package relay

import (
	"context"
	"errors"

	"moa/nips/event"
	"moa/store"
)

// ErrCannotRemove says that the store is no store.Remover.
var ErrCannotRemove = errors.New("relay: this store removes nothing for an operator")

// Decided brings what operators have decided to what is under way and what is open. When
// it returns, no event is acknowledged any more that policies refuse now, and what is
// open and not allowed any more has ended, but for sessions that are at work: those are
// asked about what they send, and at the next look. It returns early when ctx ends, or
// the relay's life.
func (s *Server) Decided(ctx context.Context) {
	done := make(chan removed, 1)
	if s.ingest.ask(removal{nil, done}) == nil {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	s.reviewAll()
}

// maxRemoval is how many events are removed between two commits.
const maxRemoval = 500

// Remove removes stored events for an operator, and returns how many there were; it
// drops those, too, that are kept for some minutes. Live subscriptions are not told. To
// keep them out is a policy's business.
func (s *Server) Remove(ctx context.Context, ids []event.ID) (int, error) {
	if len(ids) > 0 {
		gone := make(map[event.ID]bool, len(ids))
		for _, id := range ids {
			gone[id] = true
		}
		s.drop(func(e *event.Event) bool { return gone[e.ID] })
	}
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

// Forget drops what is kept for some minutes of an author's events, of which no more are
// accepted.
func (s *Server) Forget(author event.PubKey) {
	s.drop(func(e *event.Event) bool { return e.PubKey == author })
}

// drop waits for what was accepted before: it is kept once it is delivered.
func (s *Server) drop(gone func(*event.Event) bool) {
	s.ingest.fanout.flush()
	s.replay.Drop(gone)
}
