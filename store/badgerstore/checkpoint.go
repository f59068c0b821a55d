package badgerstore

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// background flushes the backlog and makes checkpoints when they are due,
// until ctx ends.
func (s *Store) background(ctx context.Context) {
	s.tasks.Go(func() { s.checkpoints(ctx) })
	s.tasks.Go(func() {
		for s.collect(ctx); wait(ctx, s.collector.due); {
			s.collect(ctx)
		}
	})
	s.tasks.Go(func() { s.unmap(ctx) })
	for wait(ctx, s.backlog.due) {
		_ = s.flush() // which tells it
	}
}

// checkpointRetry is how long a checkpoint waits after a failed one.
const checkpointRetry = 10 * time.Second

// checkpoints makes them when the journal asks for them.
func (s *Store) checkpoints(ctx context.Context) {
	var begun *logs // by the last turn, nil: ended
	var retry <-chan time.Time
	for {
		select {
		case <-s.journal.due:
		case <-retry:
		case <-ctx.Done():
			return
		}
		var err error
		if retry != nil || s.journal.pressing() {
			err = s.checkpointFrom(begun)
			begun = nil
		} else {
			begun, err = s.beginCheckpoint()
		}
		retry = nil
		if err != nil {
			retry = time.After(checkpointRetry)
		}
	}
}

func (s *Store) beginCheckpoint() (*logs, error) {
	s.appending.Lock()
	l := &logs{end: s.journal.end()}
	s.appending.Unlock()
	err := s.backlog.flush()
	if err != nil {
		return nil, err
	}
	l.names, err = filesOf(s.opt.Dir, ".mem")
	return l, err
}

// checkpoint makes durable in Badger what was committed before the call, so
// that the journal need not be kept for it.
func (s *Store) checkpoint() error { return s.checkpointFrom(nil) }

// checkpointFrom does it with what is left of the logs that a checkpoint was
// begun with; or with all there are, if any is left.
func (s *Store) checkpointFrom(l *logs) (err error) {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	defer func() { s.checkpointed(err) }()
	if l == nil || slices.ContainsFunc(l.names, there) {
		if l, err = s.beginCheckpoint(); err != nil {
			return err
		}
	} else {
		l.names = nil
	}
	if err := s.records.Sync(); err != nil {
		return err
	}
	if !s.opt.NoSync || s.late.Load() {
		if err := s.syncLogs(l.names); err != nil {
			return fmt.Errorf("sync badger: %w", err)
		}
	}
	s.journal.raise(l.end)
	return nil
}

// checkpointed tells of a checkpoint that failed after one that did not, and the
// other way round.
func (s *Store) checkpointed(err error) {
	if failed := err != nil; s.unsafe.Swap(failed) != failed {
		if failed {
			s.log.Error("a checkpoint has failed; the journal goes on", "err", err)
		} else {
			s.log.Info("a checkpoint has succeeded again")
		}
	}
}
