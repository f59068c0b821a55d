package badgerstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/storetest"
)

// What is found is the same whatever is dated ahead of the clock, while the
// clock goes on, and while memory is read again.
func TestWithEventsDatedAhead(t *testing.T) {
	for _, bytes := range []int64{20_000, 1 << 30} {
		const early = 1100 - 3600 // of the events some are an hour ahead, some not
		var clock atomic.Int64
		m := withMemory(bytes)
		clocked := func(open func(testing.TB) store.Store) func(testing.TB) store.Store {
			return func(t testing.TB) store.Store {
				clock.Store(early)
				s := open(t)
				s.(*badgerstore.Store).SetClock(clock.Load)
				s.(*badgerstore.Store).ResetHot()
				return s
			}
		}
		m.Open = clocked(m.Open)
		reopen := m.Reopen
		m.Reopen = func(t testing.TB, s store.Store) store.Store {
			return clocked(func(t testing.TB) store.Store { return reopen(t, s) })(t)
		}
		m.Disturb = func(s store.Store, n int) {
			b := s.(*badgerstore.Store)
			var err error
			switch {
			case n < 10:
				clock.Store(early)
				b.ResetHot()
			case n < 15:
				clock.Store(early + 900)
				err = b.KeepUp()
			default:
				err = b.WarmHot(50 + n)
			}
			if err != nil {
				panic(err)
			}
		}
		storetest.Differential(t, m, 3)
	}
}

// Events that are dated years ahead leave the memory to those of today, however
// much they index, also after a restart.
func TestWhatIsDatedAheadTakesNoMemory(t *testing.T) {
	m := maker(badgerstore.Options{HotMB: -1})
	now := time.Now().Unix()
	fill := func(s store.Store) {
		t.Helper()
		var batch []*event.Event
		for i := range 100 {
			batch = append(batch, storetest.Make(storetest.Key(1), 1, now-int64(i), fmt.Sprint(s.Last()), event.Tag{"t", fmt.Sprint(i % 7)}))
		}
		if _, err := s.Commit(t.Context(), now, batch); err != nil {
			t.Fatal(err)
		}
	}
	s := m.Open(t).(*badgerstore.Store)
	s.SetHotBytes(1 << 20)
	if err := s.WarmHot(1); err != nil {
		t.Fatal(err)
	}
	fill(s)
	for i := range 40 { // ten times what there is room for
		var tags []event.Tag
		for j := range 4000 {
			tags = append(tags, event.Tag{"t", fmt.Sprint(i, j)})
		}
		ahead := storetest.Make(storetest.Key(2), 2, now+30*365*86400+int64(i), "", tags...)
		if _, err := s.Commit(t.Context(), now, []*event.Event{ahead}); err != nil {
			t.Fatal(err)
		}
	}
	fill(s)
	fromMemory := func(want int) {
		t.Helper()
		if n := s.InMemory(); n != want {
			t.Errorf("%d events are in memory, want %d", n, want)
		}
		before := s.ReadFromDisk()
		sc, n := s.Scan(store.Query{Filters: []*event.Filter{{Authors: []event.PubKey{storetest.Key(1)}}, {Tags: []event.TagFilter{{Name: 't', Values: []string{"3"}}}}}}), 0
		for done := false; !done; {
			p, err := sc.Next(t.Context(), store.Page{Events: want - n}, nil)
			if err != nil {
				t.Fatal(err)
			}
			n += p.Found
			done = p.Done || n == want
		}
		if n != want || s.ReadFromDisk() != before {
			t.Errorf("%d found, %v of them on disk", n, s.ReadFromDisk()-before)
		}
	}
	fromMemory(200)
	s = m.Reopen(t, s).(*badgerstore.Store)
	defer s.Close()
	s.SetHotBytes(1 << 20)
	if err := s.WarmHot(1000); err != nil {
		t.Fatal(err)
	}
	fill(s)
	fromMemory(300)
	n, err := store.Total(t.Context(), s.Count(store.Query{Filters: []*event.Filter{{Kinds: []uint16{1, 2}}}}))
	if n != 340 || err != nil {
		t.Errorf("%d events, %v", n, err)
	}
	sound(t, s)
}
