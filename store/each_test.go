package store_test

import (
	"errors"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/memstore"
)

// Each goes on page after page, in the order of a scan, until nothing is left or found
// has enough.
func TestEachFindsEverything(t *testing.T) {
	const n = 3000 // more than a page
	st := memstore.New()
	var batch []*event.Event
	for i := range n {
		batch = append(batch, &event.Event{ID: event.ID{byte(i), byte(i >> 8)}, Kind: 1, CreatedAt: int64(i), Raw: []byte("{}")})
	}
	if _, err := st.Commit(t.Context(), n, batch); err != nil {
		t.Fatal(err)
	}
	q := store.Query{Filters: []*event.Filter{{}}, Now: n}
	next := int64(n)
	err := store.Each(t.Context(), st, q, func(r *store.Record) error {
		if next--; r.CreatedAt != next {
			t.Fatalf("the event of %d comes instead of that of %d", r.CreatedAt, next)
		}
		return nil
	})
	if err != nil || next != 0 {
		t.Errorf("%d events are missing: %v", next, err)
	}
	enough, found := errors.New("enough"), 0
	err = store.Each(t.Context(), st, q, func(*store.Record) error { found++; return enough })
	if err != enough || found != 1 {
		t.Errorf("%d events, %v", found, err)
	}
}
