package badgerstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/memstore"
	"moa/store/storetest"
)

// files are the contents of a folder.
type files map[string][]byte

// mapped reports a log that Badger writes to through memory.
func mapped(name string) bool {
	return strings.HasSuffix(name, ".mem") || strings.HasSuffix(name, ".vlog")
}

// behind reports a file that is written behind the journal and not synced.
func behind(name string) bool { return mapped(name) || strings.HasPrefix(name, "records.") }

// readFolder reads a folder in which Badger may be at work.
func readFolder(t *testing.T, dir string) files {
	t.Helper()
	for range 100 {
		all, names := files{}, func() (names []string) {
			list, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range list {
				names = append(names, f.Name())
			}
			return names
		}
		before := names()
		for _, name := range before {
			b, err := readFile(filepath.Join(dir, name))
			if err == nil && name != "LOCK" {
				all[name] = b
			} else if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		if slices.Equal(before, names()) {
			return all
		}
	}
	t.Fatal("the folder never holds still")
	return nil
}

// readFile reads a file, of a mapped one what is written: they have room to
// spare.
func readFile(name string) ([]byte, error) {
	if !mapped(name) {
		return os.ReadFile(name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []byte
	chunk := make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(f, chunk)
		written := bytes.TrimRight(chunk[:n], "\x00")
		if len(written) == 0 || err != nil {
			return bytes.TrimRight(append(all, written...), "\x00"), nil
		}
		all = append(all, chunk...)
	}
}

const diskPage = 4096

// afterPowerLoss is what a disk may hold: what was synced, and of what was
// written behind the journal since then some pages and not others.
func afterPowerLoss(synced, written files, random *rand.Rand) files {
	left := maps.Clone(written)
	for name, now := range written {
		if !behind(name) {
			continue
		}
		was := synced[name]
		mixed := make([]byte, len(now))
		odds := random.IntN(5) // all pages are old, or some, or none
		for at := 0; at < len(now); at += diskPage {
			end := min(at+diskPage, len(now))
			from := was
			if random.IntN(4) < odds {
				from = now
			}
			if at < len(from) {
				copy(mixed[at:end], from[at:])
			}
		}
		left[name] = mixed
		if was == nil && random.IntN(3) == 0 {
			left[name] = nil // the file is there, its length is not
		}
	}
	return left
}

func writeFolder(t *testing.T, all files) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, b := range all {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if len(b) > 0 && mapped(name) {
			if err := os.Truncate(filepath.Join(dir, name), 16<<20); err != nil { // as with a CacheMB of 32
				t.Fatal(err)
			}
		}
	}
	return dir
}

// everything is what a store serves, in order.
func everything(t *testing.T, s store.Store) (ids []event.ID) {
	t.Helper()
	scan := s.Scan(store.Query{Filters: []*event.Filter{{}}})
	for done := false; !done; {
		p, err := scan.Next(context.Background(), store.Page{}, func(r *store.Record) error {
			ids = append(ids, r.ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		done = p.Done
	}
	return ids
}

// The power fails at any time. Of what Badger was given and did not sync the
// disk has any part; the journal has it all: nothing that was acknowledged is
// lost, nothing that was deleted comes back, and the store is sound. With
// MOA_CRASH_KILLS it fails more often.
func TestPowerLossLosesNothing(t *testing.T) {
	seeds := uint64(2)
	if os.Getenv("MOA_CRASH_KILLS") != "" {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { t.Parallel(); losePower(t, seed) })
	}
}

func losePower(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	corpus := storetest.NewCorpus(seed)
	oracle := memstore.New()
	dir := t.TempDir()
	open := func(dir string) *Store {
		s, err := Open(Options{Dir: dir, CacheMB: 32, ReserveMB: -1})
		if err != nil {
			t.Fatal(err)
		}
		s.journal.full = 100_000
		return s
	}
	for range 4 {
		s := open(dir)
		var floor uint64
		var synced files
		look := func() { // what was synced, at least
			if s.journal.floor != floor {
				floor, synced = s.journal.floor, readFolder(t, dir)
			}
		}
		for range 40 {
			switch random.IntN(12) {
			case 0:
				if err := s.checkpoint(); err != nil {
					t.Fatal(err)
				}
			case 1, 2, 3:
				s.settle()
			}
			s.checkpointing.Lock()
			look()
			s.checkpointing.Unlock()
			batch := corpus.Batch(1 + random.IntN(60))
			want, err1 := oracle.Commit(t.Context(), corpus.Now(), batch)
			got, err2 := s.Commit(t.Context(), corpus.Now(), batch)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			for i := range want {
				if got[i].Outcome != want[i].Outcome {
					t.Fatalf("%v, want %v", got[i], want[i])
				}
			}
		}
		s.checkpointing.Lock()
		look()
		broken := writeFolder(t, afterPowerLoss(synced, readFolder(t, dir), random))
		s.checkpointing.Unlock()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		dir = broken
		s = open(dir)
		if got, want := everything(t, s), everything(t, oracle); !slices.Equal(got, want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		checkSound(t, s, len(everything(t, oracle)))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
