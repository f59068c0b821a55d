package relay

import (
	"context"
	"errors"
	"math"

	"moa/nips/event"
)

// errReleasing says that it is not known what will become of an event.
var errReleasing = errors.New("relay: the event could not be stored now")

// Release stores an event of somebody's that an operator has approved, and sends it to the
// live subscriptions. Policies were asked as it came; what operators have decided is asked
// about again. It reports whether the event is durable. If it is not, without an error, it
// has expired, or was deleted, replaced or refused.
func (s *Server) Release(ctx context.Context, e *event.Event) (stored bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.submitAlone(s.settings.Load(), e, math.MaxUint64)
	if s.store.Has(e.ID) {
		return true, nil
	}
	if s.ingest.doubts.has(e.ID) || s.ingest.ended() || s.life.Err() != nil {
		return false, errReleasing
	}
	return false, nil
}
