package transfer

import (
	"context"
	"time"

	"moa/nips/event"
	"moa/store"
)

// Scan emits every stored event that matches and has not expired.
func Scan(ctx context.Context, st store.Store, filter *event.Filter, emit func(raw []byte) error) error {
	scan := st.Scan(store.Query{Filters: []*event.Filter{filter}, Now: time.Now().Unix(), Bulk: true})
	for {
		p, err := scan.Next(ctx, store.Page{Events: 4096, Bytes: 8 << 20}, func(r *store.Record) error { return emit(r.Raw) })
		if err != nil || p.Done {
			return err
		}
	}
}
