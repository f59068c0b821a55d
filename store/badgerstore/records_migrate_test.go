package badgerstore

import (
	"errors"
	"log/slog"
	"math"
	"slices"
	"testing"

	"moa/store"
	"moa/store/badgerstore/internal/records"
)

// halfMigrated opens a store of format 3 as Open does before it migrates.
func halfMigrated(t *testing.T, dir string) (half *Store, end func()) {
	t.Helper()
	db, err := openBadger(&Options{Dir: dir, CacheMB: 32, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	half = &Store{opt: Options{Dir: dir, NoSync: true}, db: db}
	half.versions = newVersions(db)
	half.backlog = newBacklog(half.versions, newMetrics(nil).flushTime)
	if half.journal, err = openJournal(dir, false, records.ID{}, half.log, nil, half.redoKeys); err != nil {
		t.Fatal(err)
	}
	if half.records, err = records.Open(dir); err != nil {
		t.Fatal(err)
	}
	return half, func() {
		t.Helper()
		if err := errors.Join(half.records.Close(), half.journal.close(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// The serials of a store of format 3 have gaps, some larger than a segment's span:
// whatever was done of the step before it was interrupted, all is there once.
func TestRecordsWithLargeGapsAreMoved(t *testing.T) {
	dir := t.TempDir()
	s := smallStore(t, dir)
	const events = 60
	for i := range int64(events) {
		s.write.Lock()
		s.serial += store.Serial([]int{0, 3, 1<<18 - 1, 1 << 18, 1<<18 + 1, copyChunk, copySpan}[i%7])
		s.write.Unlock()
		mustCommit(t, s, note(int(i%5), i), note(int(i%3), i+1000))
	}
	want := everything(t, s)
	asOlder(t, s, 3)
	for _, parts := range []int{1, events, 2 * events} { // done before it is interrupted
		half, end := halfMigrated(t, dir)
		if err := half.records.Truncate(0); err != nil {
			t.Fatal(err)
		}
		txn := half.db.NewTransactionAt(math.MaxUint64, false)
		var tails []tail
		err := eachRecordKey(txn, func(key []byte) error { tails = append(tails, tailOf(key)); return nil })
		slices.SortFunc(tails, func(a, b tail) int { return int(a.serial()) - int(b.serial()) })
		for i := range tails[:parts] {
			err = errors.Join(err, half.copyPart(txn, tails[i:i+1]))
		}
		txn.Discard()
		if err := errors.Join(err, half.records.Sync()); err != nil {
			t.Fatal(err)
		}
		end()
	}
	for range 2 {
		s = smallStore(t, dir)
		if got := everything(t, s); !slices.Equal(got, want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		checkSound(t, s, len(want))
		s.collect(t.Context())
		checkSound(t, s, len(want))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
