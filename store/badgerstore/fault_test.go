package badgerstore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/store"
	"moa/store/badgerstore/internal/fault"
	"moa/store/storetest"
)

// cutAt takes the sectors from the event's record on away: to read them is an
// error, to touch them where they are mapped is a SIGBUS.
func cutAt(t *testing.T, s *Store, e *event.Event) {
	t.Helper()
	p := placeOf(t, s, e)
	if err := os.Truncate(p.file, p.at&^4095); err != nil {
		t.Fatal(err)
	}
}

// filler are events that take a few pages.
func filler(author int) (list []*event.Event) {
	for i := range int64(20) {
		list = append(list, storetest.Make(storetest.Key(author), 1, 100+i, string(make([]byte, 1000))))
	}
	return list
}

// What the disk cannot give of one event harms no other: not their batches, not
// the scans that come over it, with an index in memory or without, and not the
// next start. What removes it removes it.
func TestAnUnreadableRecordHarmsNoOther(t *testing.T) {
	for _, memory := range []int{0, -1} {
		o := Options{Dir: t.TempDir(), CacheMB: 32, HotMB: memory, ReserveMB: -1}
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		first := filler(9)
		mustCommit(t, s, first...)
		victims := []*event.Event{
			tagged(1, 0, 10), tagged(2, 1, 11), tagged(3, 1, 12),
			storetest.Make(storetest.Key(4), 1, 13, "", event.Tag{"expiration", "500"}), tagged(5, 30023, 14), tagged(6, 1, 15),
		}
		mustCommit(t, s, victims...)
		s.flush()
		cutAt(t, s, victims[0])
		readable := 0
		for n := uint64(1); n <= 20; n++ {
			if b, err := s.records.Read(n, new([]byte)); err == nil && b != nil {
				readable++
			}
		}
		if got := everything(t, s); len(got) != readable || readable < 15 {
			t.Fatalf("%d events are found, %d can be read", len(got), readable)
		}
		batch := []*event.Event{
			note(7, 1), tagged(1, 0, 20), note(7, 2),
			storetest.Make(storetest.Key(2), event.KindDeletion, 30, "", event.Tag{"e", victims[1].ID.String()}),
			storetest.Make(storetest.Key(3), event.KindVanish, 30, ""),
			storetest.Make(storetest.Key(5), event.KindDeletion, 30, "", event.Tag{"a", "30023:" + victims[4].PubKey.String() + ":x"}),
			note(7, 3),
		}
		mustCommit(t, s, batch...)
		if n, err := s.Expire(t.Context(), 1000, 10); n != 1 || err != nil {
			t.Fatalf("%d expired: %v", n, err)
		}
		if n, err := s.Expire(t.Context(), 1000, 10); n != 0 || err != nil {
			t.Fatalf("%d expired again: %v", n, err)
		}
		if got := everything(t, s); len(got) != readable+len(batch) {
			t.Fatalf("%d events are found, want %d", len(got), readable+len(batch))
		}
		for serial := uint64(21); serial <= 26; serial++ {
			if dead := s.records.Dead(serial); dead != (serial < 26) {
				t.Errorf("record %d is dead: %v", serial, dead)
			}
		}
		n, err := store.Total(t.Context(), s.Count(store.Query{Filters: []*event.Filter{{IDs: []event.ID{batch[1].ID}}}}))
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitIDs waits until nothing is read in the background any more.
func awaitIDs(t *testing.T, s *Store) {
	t.Helper()
	testwait.Eventually(t, "all ids have been read", func() bool {
		s.write.Lock()
		defer s.write.Unlock()
		return s.ids.complete
	})
}

// awaitWarm waits until all recent events are in memory.
func awaitWarm(t *testing.T, s *Store) {
	t.Helper()
	testwait.Eventually(t, "recent events are in memory", func() bool {
		s.hot.mu.RLock()
		defer s.hot.mu.RUnlock()
		return s.hot.floor == lastTail
	})
}

// The process ends in the middle of a job, and the event that asks for it is
// damaged: a request to vanish is finished all the same, by its keys; a kind 5 waits.
func TestDamagedRequestsAreNotForgotten(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, HotMB: -1, ReserveMB: -1}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	mine := filler(1)
	mustCommit(t, s, mine...)
	mustCommit(t, s, note(2, 5), storetest.Make(storetest.Key(3), event.KindVanish, 500, ""))
	asks := []*event.Event{
		storetest.Make(storetest.Key(1), event.KindVanish, 500, ""),
		storetest.Make(storetest.Key(2), event.KindDeletion, 500, "", event.Tag{"e", storetest.Key(9).String()}),
	}
	w := s.newWriter()
	for _, e := range asks {
		w.serial++
		n := stored{makeTail(e, w.serial), makeValue(e)}
		w.put(n)
		w.set(jobKey(w.serial), append([]byte{jobAsked}, n.tail[:]...))
	}
	w.mark(vanishedKey(asks[0].PubKey), appendTime(nil, asks[0].CreatedAt))
	if err := w.seal(); err != nil {
		t.Fatal(err)
	}
	w.close()
	for _, e := range asks {
		placeOf(t, s, e).change(t, 30, func(b byte) byte { return b ^ 1 })
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, e := range mine {
		n, err := store.Total(t.Context(), s.Count(store.Query{Filters: []*event.Filter{{IDs: []event.ID{e.ID}}}}))
		if n != 0 || err != nil {
			t.Fatalf("%d, %v: an event of one who has vanished", n, err)
		}
	}
	jobs, err := s.readJobs()
	if err != nil || len(jobs) != 1 || jobs[24].op != jobAsked {
		t.Fatalf("%v, %v: the kind 5 waits until it can be read", jobs, err)
	}
}

// A commit fails, and Ready says so until the journal can be written again; while
// the disk is full it says that.
func TestReadyFollowsTheDisk(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	if err := s.Ready(); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("by a test")
	s.journal.setSync(func(*os.File) error { return broken })
	if _, err := s.Commit(t.Context(), 0, []*event.Event{note(1, 1)}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Ready(); !errors.Is(err, errNotStored) {
			t.Fatalf("error %v", err)
		}
	}
	s.journal.setSync(func(*os.File) error { return nil })
	testwait.Eventually(t, "the journal can be written again", func() bool { return s.Ready() == nil })
	s.SetRoom(func(int) error { return store.ErrFull })
	if err := s.Ready(); !errors.Is(err, store.ErrFull) {
		t.Fatalf("error %v", err)
	}
	s.SetRoom(func(int) error { return nil })
	mustCommit(t, s, note(1, 1))
}

// A table of Badger's cannot be read: that is an error of the query, and the
// process lives.
func TestAnUnreadableTableIsAnErrorOfOneQuery(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, HotMB: -1, ReserveMB: -1}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		mustCommit(t, s, filler(i)...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	awaitIDs(t, s)
	tables, err := filepath.Glob(filepath.Join(o.Dir, "*.sst"))
	if err != nil || len(tables) != 1 {
		t.Fatal(tables, err)
	}
	if err := os.Truncate(tables[0], 0); err != nil {
		t.Fatal(err)
	}
	q := store.Query{Filters: []*event.Filter{{Authors: []event.PubKey{storetest.Key(3)}}}}
	if _, err := s.Scan(q).Next(t.Context(), store.Page{}, func(*store.Record) error { return nil }); !errors.Is(err, fault.Err) {
		t.Errorf("scan: error %v", err)
	}
	if _, err := store.Total(t.Context(), s.Count(q)); !errors.Is(err, fault.Err) {
		t.Errorf("count: error %v", err)
	}
	profile := storetest.Make(storetest.Key(3), 0, 1, "") // its address is looked up
	if _, err := s.Commit(t.Context(), 0, []*event.Event{profile}); !errors.Is(err, fault.Err) {
		t.Errorf("commit: error %v", err)
	}
}
