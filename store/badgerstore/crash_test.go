package badgerstore_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"moa/nips/testwait"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/storetest"
)

// A process with crashDir in its environment is the one that TestCrash kills.
const (
	crashDir  = "MOA_CRASH_DIR"
	crashSeed = "MOA_CRASH_SEED"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(fullDir); dir != "" {
		fullChild(dir)
		return
	}
	if dir := os.Getenv(badgerstore.MigrateDir); dir != "" {
		badgerstore.MigrateChild(dir)
		return
	}
	if dir := os.Getenv(badgerstore.BitRotDir); dir != "" {
		badgerstore.BitRotChild(dir)
		return
	}
	dir := os.Getenv(crashDir)
	if dir == "" {
		testwait.VerifyTestMain(m)
	}
	if err := crash(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func crash(dir string) error {
	seed, err := strconv.ParseUint(os.Getenv(crashSeed), 10, 64)
	if err != nil {
		return err
	}
	s, err := badgerstore.Open(badgerstore.Options{Dir: dir, CacheMB: 32, ReserveMB: -1})
	if err != nil {
		return err
	}
	s.SmallRecords()
	if seed%2 == 0 {
		s.RemoveBehind()
	}
	go func() { // what is removed is collected all the time
		for {
			s.Collect(context.Background())
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return storetest.CrashChild(s, seed, os.Stdout)
}

// The process is killed 5 times, or as often as MOA_CRASH_KILLS says, while it stores,
// deletes, vanishes, removes, expires and collects. Each time a backup is restored, too.
// MOA_SEED repeats a run.
func TestCrash(t *testing.T) {
	kills := badgerstore.Rounds(t, "MOA_CRASH_KILLS", 5)
	from, _ := strconv.ParseUint(os.Getenv("MOA_SEED"), 10, 64)
	dir := t.TempDir()
	storetest.Crash(t, kills, from, storetest.Crasher{
		Command: func(seed uint64) *exec.Cmd {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), crashDir+"="+dir, fmt.Sprintf("%s=%d", crashSeed, seed))
			cmd.Stderr = os.Stderr
			return cmd
		},
		Open: func(t testing.TB) store.Store {
			s := open(t, badgerstore.Options{Dir: dir})
			sound(t, s)
			badgerstore.SameWhenRebuilt(t, s)
			return s
		},
	})
}

// sound wants the store to be in order.
func sound(t testing.TB, s *badgerstore.Store) {
	t.Helper()
	r, err := s.Check(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		t.Error(p)
	}
}
