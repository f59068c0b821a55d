package badgerstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// A scrub finds what nobody has asked for: a record that is not what was written, a
// key that is missing, a wrong bit of the removed in both directions, a table. It
// names each once, and a store in order has no troubles.
func TestScrubFindsDamage(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, HotMB: -1, ReserveMB: -1}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	var all []*event.Event
	for i := range 30 {
		all = append(all, tagged(i, []uint16{1, 0, 30023}[i%3], int64(i)))
	}
	mustCommit(t, s, all...)
	mustCommit(t, s, tagged(1, 0, 100), tagged(4, 0, 100)) // whose older versions are removed
	mustScrub(t, s)
	if got := s.Troubles(); got != nil {
		t.Fatalf("%q", got)
	}
	if err := s.Close(); err != nil { // or there are no tables
		t.Fatal(err)
	}
	if s, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	awaitIDs(t, s)
	place := placeOf(t, s, all[7])
	place.change(t, 90, func(b byte) byte { return b ^ 1 })
	var lost []byte
	v, tl := makeValue(all[9]), makeTail(all[9], 10)
	v.keys(&tl, func(key []byte) {
		if key[0] == keyAuthor {
			lost = append(lost, key...)
		}
	})
	version := s.versions.next()
	if err := writeFew(s.db, []write{{key: lost, remove: true}}, version); err != nil {
		t.Fatal(err)
	}
	s.versions.committed(version)
	s.records.Drop(12)
	s.records.Undrop(2)
	for range 2 {
		mustScrub(t, s)
		for kind, want := range map[damageKind]int{damagedRecord: 1, damagedKey: 2, damagedDead: 1, damagedTable: 0} {
			if got := s.damages.count[kind]; got != want {
				t.Errorf("%s: %d, want %d", kind, got, want)
			}
		}
		if s.records.Dead(12) {
			t.Error("record 12 is dead")
		}
	}
	tables, err := filepath.Glob(filepath.Join(o.Dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	flipBit(t, tables[0], 20, 1)
	mustScrub(t, s)
	got := strings.Join(s.Troubles(), "\n")
	if !strings.Contains(got, "1 tables") || !strings.Contains(got, "repair") {
		t.Fatalf("%q", got)
	}
}

func mustScrub(t *testing.T, s *Store) {
	t.Helper()
	if err := s.scrub(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
}

func flipBit(t *testing.T, name string, at int64, bit byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	_, err1 := f.ReadAt(b[:], at)
	b[0] ^= bit
	_, err2 := f.WriteAt(b[:], at)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
}

// Check says of each part of the store that it is wrong.
func TestCheckFindsDamage(t *testing.T) {
	ask := storetest.Make(storetest.Key(1), event.KindDeletion, 50, "", event.Tag{"e", storetest.Key(9).String()}, event.Tag{"a", "30023:" + storetest.Key(1).String() + ":x"})
	gone := storetest.Make(storetest.Key(2), event.KindVanish, 50, "")
	profile := storetest.Make(storetest.Key(3), 0, 50, "")
	for what, damage := range map[string]func(s *Store) []write{
		"deleted by id": func(*Store) []write {
			return []write{{key: goneKey(event.ID(storetest.Key(9)), ask.PubKey), remove: true}}
		},
		"deleted by address": func(*Store) []write {
			return []write{{key: addressKey(keyGoneAddr, store.Address{PubKey: ask.PubKey, Kind: 30023, D: "x"}), value: appendTime(nil, 49)}}
		},
		"vanished": func(*Store) []write { return []write{{key: vanishedKey(gone.PubKey), remove: true}} },
		"address": func(*Store) []write {
			n := makeTail(note(5, 5), 4)
			return []write{{key: addressKey(keyLatest, store.Address{PubKey: storetest.Key(8), Kind: 0}), value: n[:]}}
		},
		"state": func(s *Store) []write { return []write{{key: stateKey, value: make([]byte, 16)}} },
		"bar": func(*Store) []write {
			n := makeTail(storetest.Make(storetest.Key(3), 0, 60, ""), 3)
			return []write{{key: addressKey(keyBar, store.Address{PubKey: profile.PubKey, Kind: 0}), value: n[:]}}
		},
		"dead":    func(s *Store) []write { s.records.Drop(4); return nil },
		"nothing": func(s *Store) []write { return nil },
	} {
		s, err := Open(Options{Dir: t.TempDir(), CacheMB: 32, HotMB: -1, ReserveMB: -1, NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		mustCommit(t, s, ask, gone, profile, note(5, 5))
		s.flush()
		version := s.versions.next()
		if list := damage(s); list != nil {
			if err := writeFew(s.db, list, version); err != nil {
				t.Fatal(err)
			}
			s.versions.committed(version)
		}
		for _, deep := range []bool{false, true} {
			r, err := s.Check(t.Context(), deep)
			if err != nil || len(r.Problems) == 0 != (what == "nothing") {
				t.Errorf("%s: %+v, %v", what, r, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What a scrub comes across among the removed it notes nowhere: notes are the
// collection's, which may be at work, and may not come for long.
func TestAScrubTakesNoNotes(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	for i := range int64(20) {
		mustCommit(t, s, storetest.Make(storetest.Key(1), 0, 100+i, ""))
	}
	s.flush()
	mustScrub(t, s)
	s.notes.taking.Lock() // a collection may be at it
	defer s.notes.taking.Unlock()
	if n := len(s.notes.text); n > 0 {
		t.Errorf("a scrub has left %d bytes of notes", n)
	}
}

// However much of one kind is damaged, an event that is left out is counted.
func TestDamageOfOneKindHidesNoOther(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	for n := range store.Serial(2 * mostNamed) {
		s.damages.key(n, "by a test")
	}
	s.damages.serial(7, nil)
	if n := s.Damaged(); n != 1 {
		t.Errorf("%d events are damaged, want 1", n)
	}
	if n := len(s.damages.named); n > len(damageKinds)*mostNamed {
		t.Errorf("%d are named", n)
	}
}

// A table that Badger has just taken out of use is cut to nothing before it is
// removed. That is no damage; the same of a table in use is.
func TestATableThatGoesIsNotDamaged(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, HotMB: -1, ReserveMB: -1}
	s := smallStore(t, o.Dir)
	mustCommit(t, s, tagged(1, 1, 1))
	if err := s.Close(); err != nil { // or there are no tables
		t.Fatal(err)
	}
	s = smallStore(t, o.Dir)
	defer s.Close()
	gone := filepath.Join(o.Dir, "999999.sst")
	if err := os.WriteFile(gone, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.verifyTable(gone); err != nil {
		t.Errorf("a table out of use: %v", err)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	used := s.tableNames()[0]
	if err := s.verifyTable(used); err != nil {
		t.Errorf("a table in use: %v", err)
	}
	if err := os.Rename(used, used+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(used, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.verifyTable(used) == nil {
		t.Error("a table in use that is cut to nothing is whole")
	}
	if err := os.Rename(used+".away", used); err != nil {
		t.Fatal(err)
	}
}
