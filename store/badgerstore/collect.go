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

// collectRoom is what a file that is written anew may take, in MB.
const collectRoom = 128

// collect writes files of records anew, without those that were removed, as
// long as that is worth while. It may use half of the disk's reserve, for it gives
// room back.
func (s *Store) collect(ctx context.Context) {
	for ctx.Err() == nil {
		if s.opt.ReserveMB > 0 && s.room(s.opt.ReserveMB/2+collectRoom) != nil {
			return // until more is removed
		}
		begun := time.Now()
		err := s.syncRecords()
		dropped := 0
		if err == nil {
			dropped, err = s.records.Collect(ctx, s.drain)
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

var errUnsettled = errors.New("badger cannot be written")

// drain waits for everybody who may see what was dropped before the call, and
// for who has it in hand. Who begins later does not see it: Badger was told.
func (s *Store) drain() error {
	s.appending.Lock()   // between the two
	s.appending.Unlock() //nolint:staticcheck // it was to be waited for
	if s.unsettled.Load() {
		return errUnsettled
	}
	s.life.drain()
	return nil
}
