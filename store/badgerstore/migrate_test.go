package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/records"
	"moa/store/storetest"
)

func smallStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, CacheMB: 32, ReserveMB: -1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An older store is one whose index of kinds is missing; the steps to the
// present are one that fails half way the first time, and one that makes the
// index.
func TestOlderStoreIsMigratedInPlace(t *testing.T) {
	dir := t.TempDir()
	s := smallStore(t, dir)
	storetest.Fill(t, s, 500)
	if err := s.db.DropPrefix([]byte{keyKind}); err != nil {
		t.Fatal(err)
	}
	var ran []int
	broken := errors.New("broken")
	steps := []func(*Store) error{
		func(*Store) error { ran = append(ran, 1); return nil },
		func(s *Store) error {
			db := s.db
			ran = append(ran, 2)
			if len(ran) < 3 {
				return broken
			}
			batch := db.NewWriteBatchAt(db.MaxVersion() + 1)
			events, err := s.readRecords(tail{}, lastTail, 1000)
			for _, n := range events {
				n.keys(&n.tail, func(key []byte) {
					if key[0] == keyKind {
						err = errors.Join(err, batch.Set(bytes.Clone(key), nil))
					}
				})
			}
			return errors.Join(err, batch.Flush())
		},
	}
	if err := writeVersion(s.db, 1); err != nil {
		t.Fatal(err)
	}
	var synced []uint32 // versions that were there when Badger was synced
	sync := func() error {
		v, err := readVersion(s.db)
		synced = append(synced, v)
		return errors.Join(err, s.checkpoint())
	}
	if err := migrate(s, steps, sync); !errors.Is(err, broken) {
		t.Fatalf("error %v, want that of the step", err)
	}
	if err := migrate(s, steps, sync); err != nil {
		t.Fatal(err)
	}
	if want := []int{1, 2, 2}; !slices.Equal(ran, want) {
		t.Fatalf("steps %v ran, want %v: a step that was done is not done again", ran, want)
	}
	if want := []uint32{1, 2, 2, 3}; !slices.Equal(synced, want) {
		t.Fatalf("synced at versions %v, want %v: what a step has done, and then its version", synced, want)
	}
	if v, err := readVersion(s.db); v != 3 || err != nil {
		t.Fatalf("version %d, %v; want 3", v, err)
	}
	s.versions = newVersions(s.db)
	r, err := s.Check(context.Background(), true)
	if err != nil || len(r.Problems) > 0 {
		t.Fatal(err, r)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Format 1 did not list regions.
func TestRegionsOfAnOlderStoreAreListed(t *testing.T) {
	dir := t.TempDir()
	s := smallStore(t, dir)
	var batch []*event.Event
	for i, hash := range []string{"u33dc1", "u33", "u", "9q8yy", "u33a"} {
		batch = append(batch, storetest.Make(storetest.Key(i), 1, int64(i), hash, event.Tag{"g", hash}))
	}
	if _, err := s.Commit(t.Context(), 0, batch); err != nil {
		t.Fatal(err)
	}
	for _, n := range regionLengths {
		if err := s.db.DropPrefix([]byte{keyTag, 'g', classRegion | byte(n)}); err != nil {
			t.Fatal(err)
		}
	}
	asOlder(t, s, 1)
	s = smallStore(t, dir)
	defer s.Close()
	r, err := s.Check(t.Context(), true)
	if err != nil || len(r.Problems) > 0 {
		t.Fatal(err, r)
	}
}

// asOlder makes s a store of a format before that of records in their own files,
// and closes it.
func asOlder(t *testing.T, s *Store, version uint32) {
	t.Helper()
	s.flush()
	events, err := s.readRecords(tail{}, lastTail, math.MaxInt)
	if err != nil {
		t.Fatal(err)
	}
	batch := s.db.NewWriteBatchAt(s.db.MaxVersion() + 1)
	for _, n := range events {
		err = errors.Join(err, batch.Set(recordKey(&n.tail), bytes.Clone(n.value)))
	}
	err = errors.Join(err, batch.Flush(), writeVersion(s.db, version), s.Close())
	names, _ := filepath.Glob(filepath.Join(s.opt.Dir, "records.*"))
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	if err != nil || len(names) < 2 {
		t.Fatal(err, names)
	}
}

// Format 3 had the records in Badger, and its journal may hold more of them.
func TestRecordsOfAnOlderStoreAreMoved(t *testing.T) {
	for _, interrupted := range []string{"", "at first", "half way"} {
		dir := t.TempDir()
		s := smallStore(t, dir)
		storetest.Fill(t, s, 700)
		gone := note(1, 1)
		mustCommit(t, s, gone)
		if n, err := s.Remove(t.Context(), []event.ID{gone.ID}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		mustCommit(t, s, note(1, 2))
		want := everything(t, s)
		asOlder(t, s, 3)

		db, err := openBadger(&Options{Dir: dir, CacheMB: 32, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		txn := db.NewTransactionAt(math.MaxUint64, false)
		half := &Store{opt: Options{Dir: dir, NoSync: true}, db: db}
		half.versions = newVersions(db)
		half.backlog = newBacklog(half.versions, newMetrics(nil).flushTime)
		if half.journal, err = openJournal(dir, false, records.ID{}, half.log, nil, half.redoKeys); err != nil {
			t.Fatal(err)
		}
		if half.records, err = records.Open(dir); err != nil {
			t.Fatal(err)
		}
		switch interrupted {
		case "at first":
			var first tail
			err = eachRecordKey(txn, func(key []byte) error { first = tailOf(key); return nil })
			err = errors.Join(err, half.copyPart(txn, []tail{first}), half.records.Sync())
		case "half way":
			err = half.copyRecords(txn)
		}
		txn.Discard()
		if err := errors.Join(err, half.records.Close(), half.journal.close(), db.Close()); err != nil {
			t.Fatal(err)
		}

		s = smallStore(t, dir)
		if got := everything(t, s); !slices.Equal(got, want) {
			t.Fatalf("interrupted %s: %d events, want %d", interrupted, len(got), len(want))
		}
		checkSound(t, s, len(want))
		mustCommit(t, s, note(1, 3))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = smallStore(t, dir)
		checkSound(t, s, len(want)+1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewerStoreIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := smallStore(t, dir)
	if err := writeVersion(s.db, formatVersion+1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Its journal is nothing that this one understands.
	j, _ := openFrames(t, dir, slog.New(slog.DiscardHandler))
	if err := errors.Join(j.append(numbered(1)), j.closeFiles()); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(dir, "journal.0")
	before, err := os.ReadFile(journal)
	if err != nil || len(before) == 0 {
		t.Fatal(len(before), err)
	}
	for range 2 {
		if _, err := Open(Options{Dir: dir, CacheMB: 32}); !errors.Is(err, store.ErrFormat) {
			t.Fatalf("error %v, want ErrFormat", err)
		}
	}
	if after, err := os.ReadFile(journal); err != nil || !bytes.Equal(before, after) {
		t.Fatalf("the journal was touched (%v)", err)
	}
	db, err := openBadger(&Options{Dir: dir, CacheMB: 32, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	txn := db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	if _, err := txn.Get(numbered(1).list[0].key); !errors.Is(err, badger.ErrKeyNotFound) {
		t.Fatalf("Badger was given what the newer journal holds (%v)", err)
	}
}

func TestFormatVersionFollowsTheSteps(t *testing.T) {
	if formatVersion != len(migrations)+1 {
		t.Fatalf("the format is %d, but %d steps lead to it", formatVersion, len(migrations))
	}
}

// The bytes of keys and values are the format: ../FORMAT.md must change with
// them, and a step must be added to migrations.
func TestBytesOnDisk(t *testing.T) {
	e := storetest.Make(storetest.Key(1), 30023, 1_700_000_000, "c", event.Tag{"d", "x"}, event.Tag{"e", storetest.Key(2).String()}, event.Tag{"expiration", "1800000000"},
		event.Tag{"g", "u33dc1"}, event.Tag{"g", "u33d"})
	n := stored{makeTail(e, 7), makeValue(e)}
	var got []string
	n.keys(&n.tail, func(key []byte) { got = append(got, hexText(key)) })
	got = append(got, hexText(n.tail[:]), hexText(n.value[:len(n.value)-len(n.raw())]), hexText(n.latestKey(&n.tail)))
	for i, want := range bytesOnDisk {
		if got[i] != want {
			t.Errorf("%d: %s\nwant %s", i, got[i], want)
		}
	}
	if len(got) != len(bytesOnDisk) {
		t.Errorf("%d keys, want %d: %q", len(got), len(bytesOnDisk), got)
	}
}

func TestSecondStoreInTheDirectory(t *testing.T) {
	dir := t.TempDir()
	s := smallStore(t, dir)
	defer s.Close()
	_, err := Open(Options{Dir: dir, CacheMB: 32})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("error %v, want that another moa is using %s", err, dir)
	}
}
