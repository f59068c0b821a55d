package relay_test

import (
	"context"

	"moa/store"
)

// gatedStore reads only when its gate lets it.
type gatedStore struct {
	store.Store
	gate chan struct{}
}

func (s *gatedStore) Scan(q store.Query) store.Scan { return &gatedScan{s.Store.Scan(q), s.gate} }

func (s *gatedStore) Count(ctx context.Context, q store.Query) (int, error) {
	<-s.gate
	return s.Store.Count(ctx, q)
}

type gatedScan struct {
	store.Scan
	gate chan struct{}
}

func (s *gatedScan) Next(ctx context.Context, p store.Page, found func(*store.Record) error) (store.Progress, error) {
	<-s.gate
	return s.Scan.Next(ctx, p, found)
}
