package badgerstore

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/records"
	"moa/store/storetest"
)

// Several files of records were made since the last checkpoint when the process is
// killed, and the journal is damaged in its middle: it is refused, and nothing is
// removed before. A repair finds everything in the files.
func TestARefusedJournalCostsNoFile(t *testing.T) {
	s := smallStore(t, t.TempDir())
	s.records.Limit(3000, 300)
	var places []int64 // where the frames end
	for i := range int64(40) {
		mustCommit(t, s, storetest.Make(storetest.Key(1), 1, i, string(make([]byte, 200))))
		places = append(places, s.journal.files[s.journal.at].size)
	}
	want, at := serialsOf(t, s), s.journal.at
	dir := unclean(t, s)
	all := readFolder(t, dir)
	files := slices.Collect(func(yield func(string) bool) {
		for name := range all {
			if records.IsSegment(name) && !yield(name) {
				return
			}
		}
	})
	if len(files) < 4 {
		t.Fatalf("%d files of records", len(files))
	}
	flipBit(t, journalName(dir, at), places[10]+frameHead+3, 1)
	o := Options{Dir: dir, CacheMB: 32, ReserveMB: -1}
	if _, err := Open(o); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("error %v, want ErrDamaged", err)
	}
	now := readFolder(t, dir)
	for _, name := range files {
		if !bytes.Equal(now[name], all[name]) {
			t.Errorf("%s is not what it was", name)
		}
	}
	remove(t, dir, "MANIFEST") // nothing tells of the events but their records
	repaired(t, dir, want)
}

// What the journal does again takes the place of files that were never synced, and
// none of them stays.
func TestFilesThatWereNeverSyncedAreMadeAgain(t *testing.T) {
	s := smallStore(t, t.TempDir())
	s.records.Limit(3000, 300)
	var all []*event.Event
	for i := range int64(40) {
		all = append(all, storetest.Make(storetest.Key(1), 1, i, string(make([]byte, 200))))
		mustCommit(t, s, all[i])
	}
	want := serialsOf(t, s)
	dir := unclean(t, s)
	s = smallStore(t, dir)
	if got := serialsOf(t, s); !slices.Equal(got, want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	checkSound(t, s, len(want))
	files := 0
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range names {
		if records.IsSegment(f.Name()) {
			files++
		}
	}
	if spans := len(s.records.Spans()); files != spans {
		t.Errorf("%d files of records, %d are in use", files, spans)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
