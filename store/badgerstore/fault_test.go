package badgerstore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"moa/nips/event"
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
		s.settle()
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
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s.write.Lock()
		complete := s.ids.complete
		s.write.Unlock()
		if complete {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the ids are never read")
		}
	}
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
