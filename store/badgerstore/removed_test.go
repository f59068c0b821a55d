package badgerstore_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/storetest"
)

// What was removed slows down no query for something else: a list that
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
				n, err := store.Total(context.Background(), s.Count(store.Query{Filters: []*event.Filter{f}}))
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
	testwait.Eventually(t, "11 events are left", func() bool { return s.Stats().Events <= 11 })
	testwait.Speed(t, "120 empty lists", ask(), 10*asked+200*time.Millisecond)
	testwait.Speed(t, "10 vanishes", vanish(), 10*vanished+200*time.Millisecond)
}

// Somebody who has written much vanishes: from then on nothing of it is found or
// taken, while it is removed between other commits, which hardly wait; also if
// the store is closed before it is done.
func TestALargeVanishHoldsNobodyUp(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		dir := t.TempDir()
		s := open(t, badgerstore.Options{Dir: dir})
		defer func() { s.Close() }()
		writer, other := event.PubKey{0: 7}, event.PubKey{0: 8}
		const events = 8_000
		var batch []*event.Event
		for i := range events {
			e := storetest.Make(writer, 1, int64(i+1), fmt.Sprint(i), event.Tag{"t", "x"})
			if i%4 == 0 {
				e = storetest.Make(other, 1059, int64(i+1), fmt.Sprint(i), event.Tag{"p", writer.String()}, event.Tag{"t", "x"})
			}
			batch = append(batch, e)
		}
		for part := range slices.Chunk(batch, 500) {
			commit(t, s, part...)
		}
		stays := storetest.Make(other, 1, 1, "", event.Tag{"t", "x"})
		newer := storetest.Make(writer, 1, events+2, "", event.Tag{"t", "x"})
		commit(t, s, stays, newer)
		begun := time.Now()
		request := storetest.Make(writer, event.KindVanish, events+1, "", event.Tag{"relay", "ALL_RELAYS"})
		commit(t, s, request)
		took := time.Since(begun)

		nothingLeft := func(when string) {
			t.Helper()
			for f, want := range map[string]int{
				`{}`: 3, `{"#t":["x"]}`: 2, `{"kinds":[1]}`: 2, `{"kinds":[1059]}`: 0, `{"authors":["` + writer.String() + `"]}`: 2,
				`{"#p":["` + writer.String() + `"]}`: 0, `{"ids":["` + batch[1].ID.String() + `","` + batch[events-4].ID.String() + `"]}`: 0,
			} {
				filter, err := event.ParseFilter([]byte(f))
				if err != nil {
					t.Fatal(err)
				}
				q := store.Query{Filters: []*event.Filter{filter}}
				n, err := store.Total(context.Background(), s.Count(q))
				found := 0
				_, err2 := s.Scan(q).Next(context.Background(), store.Page{}, func(*store.Record) error { found++; return nil })
				if n != want || found != want || err != nil || err2 != nil {
					t.Errorf("%s: %s counts %d and finds %d, want %d (%v, %v)", when, f, n, found, want, err, err2)
				}
			}
			for i := range 20 {
				if e := batch[i*events/20]; s.Has(e.ID) {
					t.Errorf("%s: Has knows what is gone", when)
				}
			}
		}
		nothingLeft("at once")
		got, err := s.Commit(context.Background(), 1, []*event.Event{batch[0], batch[events-1], request, storetest.Make(writer, 1, events, "older"), storetest.Make(writer, 0, events+3, "")})
		want := []store.Outcome{store.Vanished, store.Vanished, store.Duplicate, store.Vanished, store.Stored}
		for i := range want {
			if err != nil || got[i].Outcome != want[i] {
				t.Fatalf("outcome %d is %d, want %d (%v)", i, got[i].Outcome, want[i], err)
			}
		}
		commit(t, s, storetest.Make(writer, 5, events+4, "", event.Tag{"a", "0:" + writer.String() + ":"}))
		if interrupted {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, badgerstore.Options{Dir: dir})
		}
		var worst time.Duration
		commits := 0
		var readers sync.WaitGroup
		var over atomic.Bool
		for range 2 { // also at the very moment at which the last of it goes
			readers.Go(func() {
				q := store.Query{Filters: []*event.Filter{{Tags: []event.TagFilter{{Name: 't', Values: []string{"x"}}}}}}
				for !over.Load() {
					found := 0
					_, err := s.Scan(q).Next(context.Background(), store.Page{}, func(*store.Record) error { found++; return nil })
					if n, err2 := store.Total(context.Background(), s.Count(q)); found != 2 || n != 2 || err != nil || err2 != nil {
						t.Errorf("%d are found and %d counted meanwhile, want 2 (%v, %v)", found, n, err, err2)
						return
					}
				}
			})
		}
		const left = 5 // the request, the deletion, two notes, and the profile of these commits
		testwait.Eventually(t, "only 5 events are left", func() bool {
			begun := time.Now()
			commit(t, s, storetest.Make(other, 0, int64(commits+1), ""))
			worst = max(worst, time.Since(begun))
			commits++
			return s.Stats().Events <= left
		})
		time.Sleep(20 * time.Millisecond) // past the moment
		over.Store(true)
		readers.Wait()
		testwait.Speed(t, "the request", took, 3*time.Second)
		testwait.Speed(t, fmt.Sprintf("the longest of %d other commits meanwhile", commits), worst, 2*time.Second)
		sound(t, s)
	}
}

func commit(t *testing.T, s store.Store, batch ...*event.Event) {
	t.Helper()
	if _, err := s.Commit(context.Background(), 1, batch); err != nil {
		t.Fatal(err)
	}
}
