package badgerstore

import (
	"context"
	"errors"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// While Badger cannot be written nothing more is taken, however often somebody
// reads meanwhile, and what is read then is not remembered: when it can be
// written again everything that was acknowledged is served. Memory is not filled
// meanwhile: it would go on to lack what Badger lacked.
func TestBadgerThatCannotBeWritten(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	s.SetHotBytes(1 << 10) // the disk is asked
	s.kept.max = 1 << 20
	profile := func(at int64) *event.Event { return storetest.Make(storetest.Key(1), 0, at, "") }
	newest := func() (at int64) {
		t.Helper()
		q := store.Query{Filters: []*event.Filter{{Kinds: []uint16{0}, Authors: []event.PubKey{storetest.Key(1)}}}}
		_, err := s.Scan(q).Next(context.Background(), store.Page{}, func(r *store.Record) error {
			at = r.CreatedAt
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	mustCommit(t, s, profile(1))
	for at := range int64(20) {
		mustCommit(t, s, note(2, 100+at))
	}
	s.settle()
	writes := func(f func([]write, uint64) error) (old func([]write, uint64) error) {
		s.backlog.settling.Lock() // something in the background may be at it
		defer s.backlog.settling.Unlock()
		old, s.backlog.write = s.backlog.write, f
		return old
	}
	wr := writes(func([]write, uint64) error { return errors.New("by a test") })
	list := []*event.Event{profile(2)} // in one commit: a write may fail at once after it
	for at := range int64(20) {
		list = append(list, note(2, 200+at))
	}
	mustCommit(t, s, list...)
	s.ResetHot()
	if _, err := s.warmMore(warmChunk); err == nil {
		t.Fatal("memory was filled from a Badger that lacks the newest")
	}
	newest()
	waiting := s.backlog.waiting.Load()
	for range 3 {
		if _, err := s.Commit(t.Context(), 0, []*event.Event{note(3, 1)}); err == nil {
			t.Fatal("a commit was taken that Badger cannot be given")
		}
		newest()
	}
	if n := s.backlog.waiting.Load(); n != waiting {
		t.Fatalf("%d writes wait, there were %d", n, waiting)
	}
	writes(wr)
	s.warm(t.Context())
	if at := newest(); at != 2 {
		t.Fatalf("the profile of %d is served, want that of 2", at)
	}
	mustCommit(t, s, note(3, 1))
	checkSound(t, s, 42)
}
