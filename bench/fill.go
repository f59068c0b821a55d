package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// fillMost is how long filling a relay may take.
const fillMost = 30 * time.Minute

// fillIfEmpty publishes the whole corpus, unmeasured, if nothing has been
// accepted in this session yet.
func (s *Session) fillIfEmpty(ctx context.Context) error {
	if slices.Contains(s.truth.fates, accepted) {
		return nil
	}
	return s.fill(ctx)
}

// fill publishes what has not been published yet, unmeasured.
func (s *Session) fill(ctx context.Context) error {
	numbers := s.unsent(0)
	if len(numbers) == 0 {
		return nil
	}
	m := s.measure("fill", 0, classPublish)
	p := Publish{Window: 32, Duration: fillMost, Probe: -1}.publishing(s, m, numbers)
	err := p.run(ctx, 8)
	run := m.finish()
	switch {
	case err != nil:
		return fmt.Errorf("publish the corpus: %w", err)
	case ctx.Err() != nil:
		return ctx.Err()
	case p.accepted.Load() == 0:
		return fmt.Errorf("publish the corpus: the relay accepted none of %d events: %v", len(numbers), run.Refused)
	}
	return nil
}

// assume takes the corpus for published: the relay was filled before.
func (s *Session) assume() {
	for i := range s.truth.fates {
		s.truth.depart(int32(i))
		s.truth.settle(int32(i), accepted)
	}
}
