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

// behind reports a file that is written behind the journal and not synced, as notes are.
func behind(name string) bool {
	return mapped(name) || strings.HasPrefix(name, "records.") && name != notesName
}

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

// asKilled is what the folder of a running store has at one moment, as if the process
// were killed then. Nothing may be synced, flushed or collected meanwhile: what is read
// later would tell of what the files read before it do not have yet.
func asKilled(t *testing.T, s *Store) files {
	t.Helper()
	s.notes.taking.Lock()
	defer s.notes.taking.Unlock()
	s.write.Lock()
	defer s.write.Unlock()
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	s.backlog.flushing.Lock()
	defer s.backlog.flushing.Unlock()
	return readFolder(t, s.opt.Dir)
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
		if len(was) > len(now) {
			continue // collected in the background since then, which syncs it
		}
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

// The power fails at any time, while events are stored, replaced, deleted, expire,
// vanish and are removed, and files of records are collected. Of what Badger was given
// and did not sync the disk has any part; the journal has it all: nothing that was
// acknowledged is lost, nothing that was removed comes back, and the store is sound.
// MOA_POWER_LOSSES says how often it fails, MOA_SEED repeats a run.
func TestPowerLossLosesNothing(t *testing.T) {
	seed := seedOf(t)
	for i := range uint64(rounds(t, "MOA_POWER_LOSSES", 8)+lossesEach-1) / lossesEach {
		t.Run(fmt.Sprint(i), func(t *testing.T) { t.Parallel(); losePower(t, seed+i) })
	}
}

const (
	lossesEach = 4
	lossSteps  = 40 // between two of them
)

// victim is a store that loses power, and what it ought to hold.
type victim struct {
	*testing.T
	s      *Store
	oracle *memstore.Store
	random *rand.Rand
	floor  uint64
	synced files // what the disk has for sure
}

func losePower(t *testing.T, seed uint64) {
	v := &victim{T: t, oracle: memstore.New(), random: rand.New(rand.NewPCG(seed, 0))}
	v.open(t.TempDir())
	step := 0
	storetest.Mixed(seed, lossesEach*lossSteps, func(now int64, batch []*event.Event, gone []event.ID) {
		v.step(now, batch, gone)
		if step++; step%lossSteps == 0 {
			v.lose()
		}
	})
	if err := v.s.Close(); err != nil {
		t.Fatal(err)
	}
}

func (v *victim) open(dir string) {
	v.Helper()
	s, err := Open(Options{Dir: dir, CacheMB: 32, ReserveMB: -1})
	if err != nil {
		v.Fatal(err)
	}
	s.journal.setFull(100_000)
	s.SmallRecords()
	if v.random.IntN(2) == 0 {
		s.RemoveBehind()
	}
	v.s, v.floor, v.synced = s, 0, files{}
}

// look sees what is synced when the floor was raised.
func (v *victim) look() {
	if floor := v.s.journal.floorNow(); floor != v.floor {
		v.floor, v.synced = floor, readFolder(v.T, v.s.opt.Dir)
	}
}

func (v *victim) step(now int64, batch []*event.Event, gone []event.ID) {
	v.Helper()
	switch v.random.IntN(12) {
	case 0:
		if err := v.s.checkpoint(); err != nil {
			v.Fatal(err)
		}
	case 1, 2, 3:
		v.s.flush()
	case 4:
		v.collect()
	case 5, 6:
		v.both(func(s remover) (any, error) { return s.Expire(v.Context(), now, 1000) })
	}
	v.s.checkpointing.Lock()
	v.look()
	v.s.checkpointing.Unlock()
	v.both(func(s remover) (any, error) {
		r, err := s.Commit(v.Context(), now, batch)
		var outcomes []store.Outcome
		for i := range r {
			outcomes = append(outcomes, r[i].Outcome)
		}
		return outcomes, err
	})
	v.both(func(s remover) (any, error) { return s.Remove(v.Context(), gone) })
}

type remover interface {
	store.Store
	store.Remover
}

// both does the same to the store and to the oracle.
func (v *victim) both(do func(remover) (any, error)) {
	v.Helper()
	want, err1 := do(v.oracle)
	got, err2 := do(v.s)
	if err1 != nil || err2 != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		v.Fatalf("%v (%v), want %v (%v)", got, err2, want, err1)
	}
}

// collect collects. That syncs the records before, and what it writes.
func (v *victim) collect() {
	v.s.collect(v.Context())
	maps.DeleteFunc(v.synced, func(name string, _ []byte) bool { return strings.HasPrefix(name, "records.") })
	for name, b := range readFolder(v.T, v.s.opt.Dir) {
		if strings.HasPrefix(name, "records.") {
			v.synced[name] = b
		}
	}
}

// lose opens what the disk has after a power loss.
func (v *victim) lose() {
	v.Helper()
	v.s.checkpointing.Lock()
	v.look()
	broken := writeFolder(v.T, afterPowerLoss(v.synced, readFolder(v.T, v.s.opt.Dir), v.random))
	v.s.checkpointing.Unlock()
	if err := v.s.Close(); err != nil {
		v.Fatal(err)
	}
	v.open(broken)
	if got, want := everything(v.T, v.s), everything(v.T, v.oracle); !slices.Equal(got, want) {
		v.Fatalf("%d events, want %d", len(got), len(want))
	}
	checkSound(v.T, v.s, len(everything(v.T, v.oracle)))
	SameWhenRebuilt(v.T, v.s)
}
