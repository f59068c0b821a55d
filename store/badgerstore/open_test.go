package badgerstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moa/store/storetest"
)

// After a crash the store opens with whatever cache_mib is set by then, also if
// Badger's logs hold more than a memtable of now.
func TestCacheMayShrinkAfterACrash(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir, CacheMB: 320, ReserveMB: -1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const notes = 300
	for i := range int64(notes) {
		mustCommit(t, s, storetest.Make(storetest.Key(1), 1, i, strings.Repeat("x", 60_000)))
	}
	s.flush()
	crashed := writeFolder(t, asKilled(t, s))
	logs, err := filepath.Glob(filepath.Join(crashed, "*.mem"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	if err := os.Truncate(logs[0], 128<<20); err != nil {
		t.Fatal(err)
	}
	small := smallStore(t, crashed)
	defer small.Close()
	checkSound(t, small, notes)
}
