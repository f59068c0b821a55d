package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// background settles the backlog and makes checkpoints when they are due,
// until ctx ends.
func (s *Store) background(ctx context.Context) {
	s.tasks.Go(func() {
		for wait(ctx, s.journal.due) {
			if err := s.checkpoint(); err != nil {
				s.log.Error("a checkpoint has failed; the journal goes on", "err", err)
			}
		}
	})
	for wait(ctx, s.backlog.due) {
		s.settle()
	}
}

// wait waits for a signal, and reports false when ctx has ended.
func wait(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// settle has Badger written what was committed before the call. After an error
// that is logged Badger lacks the newest of it, which the journal has; it is
// tried again with the next call.
func (s *Store) settle() {
	err := s.backlog.settle()
	if failed := err != nil; s.unsettled.Swap(failed) != failed {
		if failed {
			s.log.Error("what is committed cannot be written to badger", "err", err)
		} else {
			s.log.Info("badger is written again")
		}
	}
}

// checkpoint makes durable in Badger what was committed before the call, so
// that the journal need not be kept for it.
func (s *Store) checkpoint() error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	s.appending.Lock()
	end := s.journal.end()
	s.appending.Unlock()
	if err := s.backlog.settle(); err != nil {
		return err
	}
	if !s.opt.NoSync {
		if err := syncBadger(s.opt.Dir); err != nil {
			return fmt.Errorf("sync badger: %w", err)
		}
	}
	s.journal.raise(end)
	return nil
}

// redo hands Badger a frame of the journal again.
func (s *Store) redo(w *writes) error {
	s.backlog.add(w)
	if s.backlog.full() {
		return s.backlog.settle()
	}
	return nil
}

// append makes the writer's writes durable, and returns the backlog's round.
func (s *Store) append(w *writes) (round uint64, err error) {
	if s.journal.stuck() {
		if err := s.checkpoint(); err != nil {
			return 0, err
		}
	}
	if s.backlog.full() {
		if err := s.backlog.settle(); err != nil {
			return 0, err
		}
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	if err := s.journal.append(w); err != nil {
		return 0, err
	}
	return s.backlog.add(w), nil
}

// syncBadger makes durable what Badger was given: its write-ahead logs and
// value logs. It syncs its other files itself, before it removes a log that
// they replace.
func syncBadger(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if ext := filepath.Ext(f.Name()); ext != ".mem" && ext != ".vlog" {
			continue
		}
		if err := syncFile(filepath.Join(dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncFile(dir)
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
