package badgerstore

import (
	"context"
	"errors"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// setWrite replaces what writes to Badger; something in the background may be at it.
func (s *Store) setWrite(f func([]write, uint64) error) (old func([]write, uint64) error) {
	s.backlog.flushing.Lock()
	defer s.backlog.flushing.Unlock()
	old, s.backlog.write = s.backlog.write, f
	return old
}

// While Badger cannot be written nothing more is taken, however often somebody
// reads meanwhile, and what is read then is not remembered: when it can be
// written again everything that was acknowledged is served. Memory is not filled
// meanwhile: it would go on to lack what Badger lacked.
func TestBadgerThatCannotBeWritten(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	s.SetHotBytes(1 << 10) // the disk is asked
	s.addresses.max = 1 << 20
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
	s.flush()
	wr := s.setWrite(func([]write, uint64) error { return errors.New("by a test") })
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
	s.setWrite(wr)
	s.warm(t.Context())
	if at := newest(); at != 2 {
		t.Fatalf("the profile of %d is served, want that of 2", at)
	}
	mustCommit(t, s, note(3, 1))
	checkSound(t, s, 42)
}

// What expires while Badger cannot be written is swept when it can.
func TestNothingIsSweptPastABadgerThatCannotBeWritten(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	s.flush()
	write := s.setWrite(func([]write, uint64) error { return errors.New("by a test") })
	mustCommit(t, s, note(1, 1, event.Tag{"expiration", "10"}))
	if n, err := s.Expire(t.Context(), 20, 10); err == nil {
		t.Fatalf("%d events have expired, of those that Badger has", n)
	}
	s.setWrite(write)
	if n, err := s.Expire(t.Context(), 20, 10); n != 1 || err != nil {
		t.Fatalf("%d events have expired, want 1 (%v)", n, err)
	}
	checkSound(t, s, 0)
}

// A request to vanish comes while Badger cannot be written, for a moment: it is not
// done before everything of its author's is removed.
func TestNothingVanishesHalfWhenBadgerCannotBeWritten(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	for failures := range 6 {
		s.flush()
		var old func([]write, uint64) error
		left := failures
		old = s.setWrite(func(list []write, version uint64) error {
			if left--; left >= 0 {
				return errors.New("by a test")
			}
			return old(list, version)
		})
		mustCommit(t, s, note(failures, 1), note(failures, 2))
		request := storetest.Make(storetest.Key(failures), event.KindVanish, 10, "")
		_, err := s.Commit(t.Context(), 0, []*event.Event{request})
		for tries := 0; err != nil && tries < 20; tries++ {
			_, err = s.Commit(t.Context(), 0, []*event.Event{request})
		}
		if err != nil {
			t.Fatal(err)
		}
		s.setWrite(old)
		checkSound(t, s, failures+1)
	}
}
