package badgerstore

import (
	"bytes"
	"context"
	"errors"
	"io"
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
	steps := []func(*badger.DB) error{
		func(*badger.DB) error { ran = append(ran, 1); return nil },
		func(db *badger.DB) error {
			ran = append(ran, 2)
			if len(ran) < 3 {
				return broken
			}
			batch := db.NewWriteBatchAt(db.MaxVersion() + 1)
			events, err := s.readRecords(tail{}, 1000)
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
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var synced []uint32 // versions that were there when Badger was synced
	sync := func() error {
		v, err := readVersion(s.db)
		synced = append(synced, v)
		return errors.Join(err, s.checkpoint())
	}
	if err := migrate(s.db, steps, sync, log); !errors.Is(err, broken) {
		t.Fatalf("error %v, want that of the step", err)
	}
	if err := migrate(s.db, steps, sync, log); err != nil {
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
	r, err := s.Check(context.Background())
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
	if err := errors.Join(writeVersion(s.db, 1), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = smallStore(t, dir)
	defer s.Close()
	r, err := s.Check(t.Context())
	if err != nil || len(r.Problems) > 0 {
		t.Fatal(err, r)
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
