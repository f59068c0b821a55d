package badgerstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moa/store"
)

// twoStores are folders of two stores that have the same number of events; the
// process that wrote them was killed.
func twoStores(t *testing.T) (one, other string) {
	t.Helper()
	for i, dir := range []*string{&one, &other} {
		s, err := Open(Options{Dir: t.TempDir(), CacheMB: 32, HotMB: -1, ReserveMB: -1})
		if err != nil {
			t.Fatal(err)
		}
		for k := range 40 {
			mustCommit(t, s, note(i+1, int64(k)))
		}
		if err := s.checkpoint(); err != nil {
			t.Fatal(err)
		}
		mustCommit(t, s, note(i+1, 100))
		*dir = writeFolder(t, asKilled(t, s))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return one, other
}

// A file of another store is refused, and named; the set of the removed is made anew.
func TestFilesOfAnotherStoreAreRefused(t *testing.T) {
	for what, names := range map[string][]string{
		"journal":          {"journal.0", "journal.1"},
		"of another store": {"records.0000000000000001"},
	} {
		one, other := twoStores(t)
		for _, name := range names {
			move(t, other, one, name)
		}
		s, err := Open(Options{Dir: one, CacheMB: 32, HotMB: -1, ReserveMB: -1})
		if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "another store") {
			t.Errorf("%v: error %v", names, err)
		}
		if err == nil {
			s.Close()
		}
	}
	one, other := twoStores(t)
	move(t, other, one, "records.dead")
	move(t, other, one, "records.dead.sum")
	s, err := Open(Options{Dir: one, CacheMB: 32, HotMB: -1, ReserveMB: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	checkSound(t, s, 41)
}

// Segments of different stores are refused by themselves, and a store without an ID,
// of an older moa, gets one that stays.
func TestAStoreKeepsItsID(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, HotMB: -1, ReserveMB: -1}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	id := s.journal.id
	mustCommit(t, s, note(1, 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(o); err != nil || s.journal.id != id || s.records.ID() != id {
		t.Fatal(err, s.journal.id, s.records.ID(), id)
	}
	if b := valueOf(t, s, storeKey); string(b) != string(id[:]) {
		t.Fatalf("%x, want %x", b, id)
	}
	s.write.Lock()
	w := s.newWriter()
	w.del(storeKey)
	if err := w.seal(); err != nil {
		t.Fatal(err)
	}
	w.close()
	s.write.Unlock()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(o.Dir, "records.0000000000000001"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := f.WriteAt(make([]byte, 20), 64)
	if err := errors.Join(err1, f.Close(), os.Remove(filepath.Join(o.Dir, "records.dead.sum"))); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(o); err != nil || s.journal.id == id {
		t.Fatal(err)
	}
	id = s.journal.id
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(o); err != nil || s.journal.id != id || s.records.ID() != id {
		t.Fatal(err, s.journal.id, id)
	}
	checkSound(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func move(t *testing.T, from, to, name string) {
	t.Helper()
	if err := os.Rename(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
		t.Fatal(err)
	}
}

func valueOf(t *testing.T, s *Store, key []byte) (b []byte) {
	t.Helper()
	txn := s.versions.begin()
	defer s.versions.finish(txn)
	b, err := get(txn, key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
