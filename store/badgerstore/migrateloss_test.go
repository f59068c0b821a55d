package badgerstore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"moa/store/storetest"
)

// migration is one that loses power at one of its syncs.
type migration struct {
	*testing.T
	dir    string
	random *rand.Rand

	mu     sync.Mutex // guards the following
	synced files      // what the disk has for sure
	left   int        // syncs until the power is lost
	lost   files      // what the disk has then
	syncs  int
}

// sync is called in place of one, of a file or of the folder.
func (m *migration) sync(name string, do func() error) error {
	m.mu.Lock() // Open ends with work in the background
	defer m.mu.Unlock()
	m.syncs++
	if m.left--; m.left == 0 {
		m.lost = afterPowerLoss(m.synced, readFolder(m.T, m.dir), m.random)
	}
	if err := do(); err != nil {
		return err
	}
	if name = filepath.Base(name); behind(name) {
		b, err := readFile(filepath.Join(m.dir, name))
		if err != nil {
			return err
		}
		m.synced[name] = b
	}
	return nil
}

// watch has m told of all syncs of s, which is about to be migrated: everything was
// synced.
func (m *migration) watch(s *Store) {
	m.synced = maps.Clone(readFolder(m.T, m.dir))
	s.records.OnSync(func(f *os.File, sync func(*os.File) error) error {
		return m.sync(f.Name(), func() error { return sync(f) })
	})
	s.syncFile = func(name string) error { return m.sync(name, func() error { return syncFile(name) }) }
}

// migrateIn opens the store in dir, which migrates it, and loses power at its sync
// number left, if there are so many.
func migrateIn(t *testing.T, dir string, random *rand.Rand, left int) *migration {
	t.Helper()
	m := &migration{T: t, dir: dir, random: random, left: left}
	steps := migrations
	defer func() { migrations = steps }()
	migrations = slices.Clone(steps)
	migrations[len(steps)-1] = func(s *Store) error {
		m.watch(s)
		return steps[len(steps)-1](s)
	}
	s, err := Open(Options{Dir: dir, CacheMB: 32, HotMB: -1, ReserveMB: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return m
}

// The power fails while the records of a store of format 3 are moved, again and again,
// and then not: nothing is lost. MOA_MIGRATE_LOSSES says how often, MOA_SEED repeats a
// run.
func TestPowerLossWhileMigrating(t *testing.T) {
	s := smallStore(t, t.TempDir())
	storetest.Fill(t, s, 1500)
	want := everything(t, s)
	asOlder(t, s, 3)
	old := readFolder(t, s.opt.Dir)
	seed := seedOf(t)
	syncs := migrateIn(t, writeFolder(t, old), rand.New(rand.NewPCG(seed, 0)), 0).syncs
	for n := range uint64(rounds(t, "MOA_MIGRATE_LOSSES", 4)) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, n+1))
			dir := writeFolder(t, old)
			for range 1 + random.IntN(3) {
				m := migrateIn(t, dir, random, 1+random.IntN(syncs))
				if m.lost == nil { // it had less to do than the one before
					break
				}
				dir = writeFolder(t, m.lost)
			}
			s := smallStore(t, dir)
			defer s.Close()
			if got := everything(t, s); !slices.Equal(got, want) {
				t.Fatalf("%d events, want %d", len(got), len(want))
			}
			checkSound(t, s, len(want))
		})
	}
}
