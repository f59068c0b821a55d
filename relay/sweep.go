package relay

import (
	"context"
	"time"
)

// Expired events are hidden at once and removed within sweepEvery, at most
// sweepMost in one step, so that the writer is not held up.
const sweepEvery = time.Minute

// sweep has expired events removed (NIP-40) until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	for pause(ctx, sweepEvery) {
		s.ingest.sweep()
		s.replay.Sweep()
	}
}
