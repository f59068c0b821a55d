package transfer

import (
	"context"
	"time"

	"moa/nips/event"
	"moa/store"
)

// Scan emits every stored event that matches and has not expired.
func Scan(ctx context.Context, st store.Store, filter *event.Filter, emit func(raw []byte) error) error {
	q := store.Query{Filters: []*event.Filter{filter}, Now: time.Now().Unix(), Bulk: true}
	return store.Each(ctx, st, q, func(r *store.Record) error { return emit(r.Raw) })
}
