package badgerstore

import (
	"math/rand/v2"
	"slices"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

func profile(author int, at int64, content string) *event.Event {
	return storetest.Make(storetest.Key(author), 0, at, content)
}

// lookUp finds what is at an author's profile's address.
func lookUp(t *testing.T, s *Store, author int) (ids []event.ID) {
	t.Helper()
	q := store.Query{Filters: []*event.Filter{{Authors: []event.PubKey{storetest.Key(author)}, Kinds: []uint16{0}}}}
	_, err := s.Scan(q).Next(t.Context(), store.Page{}, func(r *store.Record) error {
		ids = append(ids, r.ID)
		return nil
	})
	if err != nil {
		t.Fatalf("asked for the profile of %d: %v", author, err)
	}
	return ids
}

func mustRemove(t *testing.T, s *Store, events ...*event.Event) {
	t.Helper()
	var ids []event.ID
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	if n, err := s.Remove(t.Context(), ids); n != len(ids) || err != nil {
		t.Fatal(n, err)
	}
}

// The process ends when all is moved and the version is not written yet.
func TestMovedRecordsAreNotMovedAgain(t *testing.T) {
	dir := t.TempDir()
	s := smallStore(t, dir)
	storetest.Fill(t, s, 300)
	want := everything(t, s)
	asOlder(t, s, 3)
	half, end := halfMigrated(t, dir)
	if err := moveRecords(half); err != nil {
		t.Fatal(err)
	}
	end()
	s = smallStore(t, dir)
	defer s.Close()
	if got := everything(t, s); !slices.Equal(got, want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	checkSound(t, s, len(want))
}

// An address remembers the newest version that was there, also if that is gone:
// of a serial before, between and after all that were moved.
func TestAddressesOfRemovedEventsAfterMigration(t *testing.T) {
	dir := t.TempDir()
	s := smallStore(t, dir)
	var gone []*event.Event
	for i := range 4 {
		gone = append(gone, profile(i, 10, "gone"))
		mustCommit(t, s, gone[i])
		if i < 3 {
			mustCommit(t, s, note(7, int64(i)))
		}
	}
	mustRemove(t, s, gone...)
	asOlder(t, s, 3)
	for range 2 {
		s = smallStore(t, dir)
		for i := range 4 {
			if got := lookUp(t, s, i); len(got) > 0 {
				t.Errorf("the profile of %d is back", i)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s = smallStore(t, dir)
	defer s.Close()
	for i := range 4 {
		mustCommit(t, s, profile(i, 20, "new"))
		if got := lookUp(t, s, i); len(got) != 1 {
			t.Errorf("author %d has %d profiles", i, len(got))
		}
	}
	checkSound(t, s, 3+4)
}

// The newest events are removed and collected, and with them the last segment
// goes; then the store is opened again.
func TestAddressesOfCollectedEvents(t *testing.T) {
	dir := t.TempDir()
	s := smallStore(t, dir)
	s.records.Limit(10_000, 20)
	mustCommit(t, s, note(9, 1))
	var gone []*event.Event
	for i := range 40 {
		gone = append(gone, profile(i, 10, "gone"))
		mustCommit(t, s, gone[i])
	}
	mustRemove(t, s, gone...)
	s.collect(t.Context())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = smallStore(t, dir)
	defer s.Close()
	checkSound(t, s, 1)
	for i := range 40 {
		if got := lookUp(t, s, i); len(got) > 0 {
			t.Errorf("the profile of %d is back", i)
		}
	}
	for i := range 40 {
		mustCommit(t, s, profile(i, 20, "new"))
	}
	checkSound(t, s, 41)
}

// What is remembered of an address may be newer than the transaction that a
// reader has begun: when it is replaced once more, the reader must find one of
// them all the same.
func TestReplacedWhileItIsLookedUp(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir(), CacheMB: 32, HotMB: -1, ReserveMB: -1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.addresses.max = 1 << 20
	mustCommit(t, s, profile(1, 10, "first"))
	r := s.newReader(false, new(int)) // and then
	defer r.close()
	mustCommit(t, s, profile(1, 20, "second"))
	lookUp(t, s, 1) // by another reader, who remembers the second
	key := addressKey(keyLatest, store.Address{PubKey: storetest.Key(1)})
	found, ok, err := r.lookUp(key)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	mustCommit(t, s, profile(1, 30, "third"))
	if v, err := r.record(&found); v == nil || err != nil {
		t.Errorf("there is no profile (%v)", err)
	}
}

// A damaged record is in nobody's way for good: the store lives on whatever is
// done to it, and when it is opened again.
func TestDamagedRecordCanBeRemoved(t *testing.T) {
	for _, memory := range []int{0, -1} {
		o := Options{Dir: t.TempDir(), CacheMB: 32, HotMB: memory, ReserveMB: -1, NoSync: true}
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(2, 2))
		for i := range 150 {
			victim := tagged(i, []uint16{1, 0, 30023}[i%3], int64(i))
			mustCommit(t, s, victim)
			s.flush()
			size := int64(len(makeValue(victim)))
			to := byte(random.IntN(256))
			if random.IntN(2) == 0 {
				to = 0xff
			}
			at := random.Int64N(size+16) - 16
			placeOf(t, s, victim).change(t, at, func(byte) byte { return to })
			switch random.IntN(4) {
			case 0:
				_, err = s.Commit(t.Context(), 0, []*event.Event{tagged(i, victim.Kind, int64(i+1))})
			case 1:
				_, err = s.Commit(t.Context(), 0, []*event.Event{storetest.Make(victim.PubKey, event.KindDeletion, int64(i+1), "", event.Tag{"e", victim.ID.String()})})
			case 2:
				_, err = s.Remove(t.Context(), []event.ID{victim.ID})
			case 3:
				_, err = s.Commit(t.Context(), 0, []*event.Event{storetest.Make(victim.PubKey, event.KindVanish, int64(i+1), "")})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(o); err != nil {
			t.Fatal(err)
		}
		if awaitIDs(t, s); memory == 0 {
			awaitWarm(t, s)
		}
		mustCommit(t, s, note(1000, 1))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
