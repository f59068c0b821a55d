package badgerstore

import (
	"context"
	"time"
)

// lateEvery is how long what was committed waits for the disk with NoSync.
const lateEvery = time.Second

// syncLate syncs the journal now and then in a store that does not sync its commits,
// so that a crash of the machine costs about a second of them, and leaves holes in no
// more than that.
func (s *Store) syncLate(ctx context.Context) {
	s.late.Store(true) // checkpoints sync as well
	tick := time.NewTicker(lateEvery)
	defer tick.Stop()
	for failed := false; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := s.journal.syncLate()
		if err != nil && !failed {
			s.log.Error("what was committed cannot be synced", "err", err)
		}
		failed = err != nil
	}
}

// syncLate makes durable what was appended and is not.
func (j *journal) syncLate() error {
	j.mu.Lock()
	next, files := j.next, j.files
	j.mu.Unlock()
	if next == j.synced {
		return nil
	}
	for i := range files {
		if err := datasync(files[i].File); err != nil {
			return err
		}
	}
	j.synced = next
	return nil
}
