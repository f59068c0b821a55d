package relay_test

import (
	"context"
	"errors"
	"sync/atomic"

	"moa/nips/event"
	"moa/store"
)

// gatedStore reads only when its gate lets it.
type gatedStore struct {
	store.Store
	gate chan struct{}
}

func (s *gatedStore) Scan(q store.Query) store.Scan { return &gatedScan{s.Store.Scan(q), s.gate} }

func (s *gatedStore) Count(q store.Query) store.Scan { return &gatedScan{s.Store.Count(q), s.gate} }

type gatedScan struct {
	store.Scan
	gate chan struct{}
}

func (s *gatedScan) Next(ctx context.Context, p store.Page, found func(*store.Record) error) (store.Progress, error) {
	<-s.gate
	return s.Scan.Next(ctx, p, found)
}

// failingStore, while it is told to, fails in the middle of a batch: the first
// third is stored and told, the second stored and not told, the last not stored.
type failingStore struct {
	store.Store
	fails atomic.Bool
}

func (s *failingStore) Commit(ctx context.Context, now int64, batch []*event.Event) ([]store.Result, error) {
	if !s.fails.Load() {
		return s.Store.Commit(ctx, now, batch)
	}
	told := len(batch) / 3
	results, err := s.Store.Commit(ctx, now, batch[:len(batch)-len(batch)/3])
	if err != nil {
		return nil, err
	}
	clear(results[told:])
	return append(results, make([]store.Result, len(batch)-len(results))...), errors.New("the disk is on fire")
}
