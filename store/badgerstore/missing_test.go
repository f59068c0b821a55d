package badgerstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moa/store"
	"moa/store/storetest"
)

// filled is the folder of a store with events, closed or killed.
func filled(t *testing.T, killed bool) (dir string, events int) {
	t.Helper()
	s := smallStore(t, t.TempDir())
	s.SmallRecords()
	storetest.Fill(t, s, 700)
	events = len(everything(t, s))
	if killed {
		return unclean(t, s), events
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s.opt.Dir, events
}

// Badger's files are missing, all of them or some. Open deletes nothing: it says
// what is wrong and what to do.
func TestMissingKeysAreDamage(t *testing.T) {
	for _, killed := range []bool{false, true} {
		for _, gone := range []string{"MANIFEST", "*.sst", "*.mem", "[!rj]*"} {
			dir, _ := filled(t, killed)
			names, _ := filepath.Glob(filepath.Join(dir, gone))
			if len(names) == 0 {
				continue // a closed store has no logs, a small one that was killed no tables
			}
			for _, name := range names {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
			before := readFolder(t, dir)
			_, err := Open(Options{Dir: dir, CacheMB: 32, ReserveMB: -1})
			if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "moa store repair") {
				t.Fatalf("without %s: %v, want ErrDamaged and what to do", gone, err)
			}
			after := readFolder(t, dir)
			for name, b := range before {
				if strings.HasPrefix(name, "records.") && string(after[name]) != string(b) {
					t.Errorf("without %s: %s was changed", gone, name)
				}
			}
		}
	}
}
