package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"moa/bench/client"
)

// fillMost is how long filling a relay may take.
const fillMost = 30 * time.Minute

// stock sees to it that the relay has what a workload asks for: it publishes
// the corpus, unmeasured, or finds out which of it is there already. It does
// nothing if events have been accepted in this session.
func (s *Session) stock(ctx context.Context) error {
	if s.stocked || slices.Contains(s.truth.fates, accepted) {
		return nil
	}
	fill := s.fill
	if s.Prefilled {
		fill = s.takeStock
	}
	if err := fill(ctx); err != nil {
		return err
	}
	s.stocked = true
	return nil
}

// fill publishes what has not been published yet, unmeasured.
func (s *Session) fill(ctx context.Context) error {
	numbers := s.unsent(0, 0)
	if len(numbers) == 0 {
		return s.nothingToSend()
	}
	m := s.measureAs("fill", 0, classPublish)
	m.total.Store(int64(len(numbers)))
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
	s.carry(Run{Faults: run.Faults})
	for _, prefix := range slices.Sorted(maps.Keys(run.Refused)) {
		s.carry(Run{Notes: []string{fmt.Sprintf("when the corpus was published, %d answers were %s", run.Refused[prefix], prefix)}})
	}
	return nil
}

// carry hands what was seen outside of a run to the next one.
func (s *Session) carry(run Run) {
	c := &s.carried
	c.Faults, c.Notes, c.Warnings = append(c.Faults, run.Faults...), append(c.Notes, run.Notes...), append(c.Warnings, run.Warnings...)
}

// strangerLook is how many events are asked for by id on a relay that is not on
// this machine.
const strangerLook = 500

// takeStock asks the relay for the corpus by id. What it shows must then be in
// every answer that it matches; of the rest nothing is known: the relay may
// never have had it, or hold a newer version or a deletion by others. So a
// corpus may be a small part of what the relay holds. In which order events and
// their deletions came to it is not known either, so it may show what the
// corpus deletes.
func (s *Session) takeStock(ctx context.Context) error {
	numbers := s.unsent(0, 0)
	if !client.Loopback(s.Target.URL) {
		numbers = thin(numbers, strangerLook)
	}
	m := s.measureAs("look", 0, classLook)
	m.total.Store(int64(len(numbers)))
	a, err := s.asker(ctx, m)
	if err != nil {
		m.finish()
		return err
	}
	found := 0
	for part := range slices.Chunk(numbers, s.idsAtOnce()) {
		var absent []int32
		start := time.Now()
		if absent, err = a.look(ctx, s.truth, part, s.Timeout); err != nil {
			break
		}
		for _, n := range part {
			m.done(classLook, start)
			if !slices.Contains(absent, n) {
				found++
				s.truth.resolve(n, accepted)
			}
		}
	}
	a.close()
	run := m.finish()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("ask for the corpus: %w", err)
	case found == 0:
		s.carry(Run{Warnings: []string{fmt.Sprintf("the relay shows none of %d events of the corpus by id: answers are checked for themselves, not for what is missing", len(numbers))}})
	default:
		s.carry(Run{Notes: []string{fmt.Sprintf("the relay shows %d of %d events of the corpus by id: of these answers must be complete", found, len(numbers))}})
	}
	s.carry(Run{Faults: run.Faults})
	return nil
}

// classLook is the class of events asked for by id before a workload.
const classLook = "look"
