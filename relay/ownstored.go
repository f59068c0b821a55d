package relay

import (
	"context"
	"fmt"

	"moa/nips/event"
	"moa/store"
)

// ownStored is the event of the relay's own at that address that is stored, nil if
// there is none.
func (s *shared) ownStored(ctx context.Context, kind uint16, d string) (found *event.Event, err error) {
	f := &event.Filter{Authors: []event.PubKey{s.identity.PubKey()}, Kinds: []uint16{kind}, Limit: 1, HasLimit: true}
	if event.Addressable(kind) {
		f.Tags = []event.TagFilter{{Name: 'd', Values: []string{d}}}
	}
	q := store.Query{Now: s.now().Unix(), Filters: []*event.Filter{f}}
	err = store.Each(ctx, s.store, q, func(r *store.Record) (err error) {
		found, err = r.Event()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("relay: look for its own event of kind %d: %w", kind, err)
	}
	return found, nil
}
