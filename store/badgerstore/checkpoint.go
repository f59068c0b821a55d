package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// wait waits for a signal, and reports false when ctx has ended.
func wait(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// flush has Badger written what was committed before the call. After an error,
// which is logged, Badger lacks the newest of it, which the journal has, and
// readers do not see it; it is tried again with the next call, and no commit is
// taken before it succeeds.
func (s *Store) flush() error { return s.backlog.flush() }

// flushes follows the backlog when Badger cannot be written, and can again.
func (s *Store) flushes(err error) {
	if err != nil {
		s.log.Error("what is committed cannot be written to badger", "err", err)
		return
	}
	s.addresses.reset() // what was found meanwhile may be old
	s.log.Info("badger is written again")
}

// logs are the write-ahead logs of Badger that may hold what the frames before
// end have. A busy Badger soon makes tables of them, and removes them: to sync
// them would be in vain.
type logs struct {
	names []string
	end   uint64
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

// filesOf returns the names of dir's files that end so. (A pattern could not name
// any dir.)
func filesOf(dir, suffix string) (names []string, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), suffix) {
			names = append(names, filepath.Join(dir, f.Name()))
		}
	}
	return names, nil
}

func there(name string) bool {
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// redo does a frame of the journal again.
func (s *Store) redo(w *writes) error {
	if err := s.records.Prepare(w.missing(s.records)); err != nil {
		return err
	}
	s.commitRecords(w)
	return s.redoKeys(w)
}

// commitRecords shows the records that were prepared, and drops those that the
// writes remove. What is left of the writes is for Badger.
func (s *Store) commitRecords(w *writes) {
	s.records.Commit()
	for i := range w.list {
		if op := &w.list[i]; op.remove && op.key[0] == keyRecord {
			t := tailOf(op.key)
			s.records.Drop(uint64(t.serial()))
			s.collector.dropped()
		}
	}
	w.keysAlone()
}

// redoKeys does what of a frame is Badger's again.
func (s *Store) redoKeys(w *writes) error {
	if st, ok := w.state(); ok && st.before(s.had) { // a crash has taken the end of the journal, and not Badger's
		w.list = slices.DeleteFunc(w.list, func(op write) bool { return string(op.key) == string(stateKey) })
	}
	s.backlog.add(w)
	if s.backlog.full() {
		return s.backlog.flush()
	}
	return nil
}

// append makes the writer's writes durable, and returns the backlog's epoch.
func (s *Store) append(w *writes) (epoch uint64, err error) {
	if s.rebuilding {
		return s.appendKeys(w)
	}
	if s.journal.stuck() {
		if err := s.checkpoint(); err != nil {
			return 0, err
		}
	}
	if s.backlog.full() {
		if err := s.backlog.flush(); err != nil {
			return 0, err
		}
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	if err := s.records.Prepare(w.records()); err != nil {
		return 0, err
	}
	if err := s.journal.append(w); err != nil {
		return 0, err
	}
	s.commitRecords(w)
	return s.backlog.add(w), nil
}
