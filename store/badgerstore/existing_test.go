package badgerstore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"moa/store"
)

// A verb that reads neither makes a store nor migrates one.
func TestExistingMakesNothing(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: filepath.Join(dir, "none"), CacheMB: 32, ReserveMB: -1, Existing: true}
	for range 2 {
		if _, err := Open(o); !errors.Is(err, ErrNoStore) {
			t.Fatalf("error %v, want ErrNoStore", err)
		}
		if _, err := os.Stat(o.Dir); !os.IsNotExist(err) {
			t.Fatalf("the folder was made (%v)", err)
		}
		o.Dir = t.TempDir()
		if _, err := Open(o); !errors.Is(err, ErrNoStore) {
			t.Fatalf("error %v, want ErrNoStore", err)
		}
		if names := namesIn(t, o.Dir); len(names) > 0 {
			t.Fatalf("%v were made", names)
		}
		o.Dir = filepath.Join(dir, "none")
	}
	o.Dir = t.TempDir()
	s := smallStore(t, o.Dir)
	mustCommit(t, s, note(1, 1))
	asOlder(t, s, 3)
	before := namesIn(t, o.Dir)
	if _, err := Open(o); !errors.Is(err, ErrOlderFormat) {
		t.Fatalf("error %v, want ErrOlderFormat", err)
	}
	if now := namesIn(t, o.Dir); len(now) != len(before) {
		t.Fatalf("%v, and before %v", now, before)
	}
	s = smallStore(t, o.Dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(o); err != nil || s.Close() != nil {
		t.Fatal(err)
	}
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		names = append(names, f.Name())
	}
	return names
}

// unclean is the folder of a store that was killed.
func unclean(t *testing.T, s *Store) string {
	t.Helper()
	s.flush()
	dir := writeFolder(t, asKilled(t, s))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Badger deletes and makes its logs in two steps, and a crash comes between them:
// a log of 0 bytes keeps nobody from opening the store.
func TestEmptyLogsAreNoObstacle(t *testing.T) {
	s := smallStore(t, t.TempDir())
	mustCommit(t, s, note(1, 1), note(1, 2))
	dir := unclean(t, s)
	for _, name := range []string{"00009.mem", "000009.vlog", "00000.mem"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = smallStore(t, dir)
	defer s.Close()
	checkSound(t, s, 2)
}

// A store of a newer format is left as it is, also one that was killed with
// another cache_mib.
func TestNewerStoreIsNotTouched(t *testing.T) {
	s := smallStore(t, t.TempDir())
	mustCommit(t, s, note(1, 1))
	s.flush()
	if err := writeVersion(s.db, formatVersion+1); err != nil {
		t.Fatal(err)
	}
	dir := s.opt.Dir
	if err := s.Close(); err != nil { // the version is in a table
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "00009.mem"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-time.Hour)
	for _, name := range namesIn(t, dir) {
		if err := os.Chtimes(filepath.Join(dir, name), then, then); err != nil {
			t.Fatal(err)
		}
	}
	before := namesIn(t, dir)
	if _, err := Open(Options{Dir: dir, CacheMB: 32}); !errors.Is(err, store.ErrFormat) {
		t.Fatalf("error %v, want ErrFormat", err)
	}
	if now := namesIn(t, dir); len(now) != len(before) {
		t.Fatalf("%v, and before %v", now, before)
	}
	for _, name := range namesIn(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			t.Errorf("%s was touched (%v)", name, err)
		}
	}
}
