package badgerstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/storetest"
)

// What was removed does not slow down who asks for something else: a list that
// is empty is found to be so, however much was removed behind it, and a vanish of
// somebody who has written nothing costs what it did before.
func TestManyRemovedEventsCostOthersNothing(t *testing.T) {
	s := open(t, badgerstore.Options{Dir: t.TempDir(), HotMB: -1})
	defer s.Close()
	const events = 30_000
	writer := event.PubKey{0: 7}
	batch := make([]*event.Event, 0, 1000)
	for i := range events {
		// A place in each index behind those that are asked for below.
		batch = append(batch, storetest.Make(writer, 1, int64(i+1), fmt.Sprint(i), event.Tag{"t", "x"}, event.Tag{"e", fmt.Sprintf("%032x%032x", i+1<<20, i)}))
		if len(batch) == cap(batch) {
			commit(t, s, batch...)
			batch = batch[:0]
		}
	}
	ask := func() time.Duration {
		t.Helper()
		begun := time.Now()
		for range 30 {
			for _, f := range []*event.Filter{
				{Authors: []event.PubKey{{0: 6}}},
				{Tags: []event.TagFilter{{Name: 'e', Values: []string{fmt.Sprintf("%064x", 1)}}}},
				{Tags: []event.TagFilter{{Name: 't', Values: []string{"a"}}}},
				{Kinds: []uint16{0}},
			} {
				n, err := s.Count(context.Background(), store.Query{Filters: []*event.Filter{f}})
				if err != nil || n != 0 {
					t.Fatalf("%d events, %v", n, err)
				}
			}
		}
		return time.Since(begun)
	}
	nobody := byte(0)
	vanish := func() time.Duration {
		begun := time.Now()
		for range 10 {
			nobody++
			commit(t, s, storetest.Make(event.PubKey{0: 5, 1: nobody}, event.KindVanish, 1, "", event.Tag{"relay", "ALL_RELAYS"}))
		}
		return time.Since(begun)
	}
	asked, vanished := ask(), vanish()
	commit(t, s, storetest.Make(writer, event.KindVanish, events+1, "", event.Tag{"relay", "ALL_RELAYS"}))
	if after := ask(); after > 10*asked+200*time.Millisecond {
		t.Errorf("120 empty lists took %v, and %v before as many were removed", after, asked)
	}
	if after := vanish(); after > 10*vanished+200*time.Millisecond {
		t.Errorf("10 vanishes took %v, and %v before", after, vanished)
	}
}

func commit(t *testing.T, s store.Store, batch ...*event.Event) {
	t.Helper()
	if _, err := s.Commit(context.Background(), 1, batch); err != nil {
		t.Fatal(err)
	}
}
