package badgerstore

import (
	"context"
	"errors"
	"time"
)

// collector says when to look for files of records of which much was removed.
type collector struct {
	due     chan struct{}
	removed int // since; guarded by Store.write
}

// collectAfter is how many events must have been removed.
const collectAfter = 1000

func (c *collector) dropped() {
	if c.removed++; c.removed >= collectAfter {
		c.removed = 0
		signal(c.due)
	}
}

// collect writes files of records anew, without those that were removed, as
// long as that is worth while.
func (s *Store) collect(ctx context.Context) {
	for ctx.Err() == nil {
		begun := time.Now()
		err := s.syncRecords()
		dropped := 0
		if err == nil {
			dropped, err = s.records.Collect(ctx, func(do func() error) error { return s.alone(ctx, do) })
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("room of removed events cannot be given back now", "err", err)
			return
		case dropped == 0:
			return
		}
		s.metrics.collected.Add(float64(dropped))
		s.log.Debug("removed events are gone from a file", "events", dropped, "took", time.Since(begun))
	}
}

func (s *Store) syncRecords() error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	return s.records.Sync()
}

var errBusy = errors.New("the store is read all the time")

// alone does something while nobody reads. It does not make others wait that
// would begin to read, for one may have begun already and wait for itself.
func (s *Store) alone(ctx context.Context, do func() error) error {
	const tries = 60_000
	pause := time.NewTicker(time.Millisecond)
	defer pause.Stop()
	for range tries {
		if s.life.TryLock() {
			defer s.life.Unlock()
			return do()
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errBusy
}
