package badgerstore

import (
	"errors"
	"os"
	"testing"

	"moa/store"
	"moa/store/badgerstore/internal/records"
)

// A store is killed while it is made: there is a journal, and the keys tell no version
// yet. It holds nothing, and is made again.
func TestKilledWhileItIsMade(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1}
	o.setDefaults()
	lock, db, err := openFolder(&o)
	if err != nil {
		t.Fatal(err)
	}
	log, err := records.Open(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	j, err := openJournal(o.Dir, true, records.ID{}, o.Log, nil, func(*writes) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	files := readFolder(t, o.Dir)
	if err := errors.Join(j.closeFiles(), log.Close(), db.Close(), lock.Close()); err != nil {
		t.Fatal(err)
	}
	begun := files["journal.1"]
	for _, size := range []int{0, 10, len(begun)} { // of the first frame, so many bytes are there
		files["journal.1"] = append(append([]byte(nil), begun[:size]...), make([]byte, len(begun)-size)...)
		dir := writeFolder(t, files)
		reading := o
		reading.Dir, reading.Existing = dir, true
		if _, err := Open(reading); !errors.Is(err, ErrNoStore) {
			t.Errorf("after %d bytes: error %v, want ErrNoStore", size, err)
		}
		s := smallStore(t, dir)
		mustCommit(t, s, note(1, 1), note(1, 2))
		dir = unclean(t, s)
		s = smallStore(t, dir)
		checkSound(t, s, 2)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A journal that has commits is not taken for one that is just begun.
func TestAJournalWithCommitsIsNoNewStore(t *testing.T) {
	s := smallStore(t, t.TempDir())
	mustCommit(t, s, note(1, 1), note(1, 2))
	s.flush()
	journal, err := os.ReadFile(journalName(s.opt.Dir, s.journal.at))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fresh := t.TempDir()
	o := Options{Dir: fresh, CacheMB: 32, ReserveMB: -1}
	o.setDefaults()
	lock, db, err := openFolder(&o)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), lock.Close(), os.WriteFile(journalName(fresh, 0), journal, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("error %v, want ErrDamaged", err)
	}
}
