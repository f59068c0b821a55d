package badgerstore

import (
	"context"
	"errors"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

const (
	gcEvery = 10 * time.Minute
	// gcWaste is which share of a value log file must be of removed events for
	// it to be rewritten.
	gcWaste = 0.5
	// gcFiles bounds how many files one round rewrites.
	gcFiles = 4
)

// collect gives room that removed events took back to the disk, now and then.
func (s *Store) collect(ctx context.Context) {
	tick := time.NewTicker(gcEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.rewrite(ctx); err != nil {
				s.log.Warn("rewriting the value log failed", "error", err)
			}
		}
	}
}

// rewrite rewrites the value log files that are mostly waste. It runs beside
// commits and reads.
func (s *Store) rewrite(ctx context.Context) error {
	if s.use() != nil {
		return nil
	}
	defer s.life.RUnlock()
	for range gcFiles {
		if ctx.Err() != nil || s.room(s.opt.ReserveMB/2) != nil {
			return nil
		}
		err := s.db.RunValueLogGC(gcWaste)
		if errors.Is(err, badger.ErrNoRewrite) || errors.Is(err, badger.ErrRejected) {
			return nil
		}
		if err != nil {
			return err
		}
		s.metrics.gc.Inc()
	}
	return nil
}
