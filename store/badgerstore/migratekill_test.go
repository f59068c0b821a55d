package badgerstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"moa/store/storetest"
)

// MigrateDir is the folder that the process which TestKilledWhileMigrating kills is
// to bring up to date.
const MigrateDir = "MOA_MIGRATE_DIR"

// MigrateChild opens the store, which migrates it, and then waits to be killed.
func MigrateChild(dir string) {
	s, err := Open(Options{Dir: dir, CacheMB: 32, ReserveMB: -1, HotMB: -1})
	fmt.Println("open", err)
	if err == nil {
		time.Sleep(time.Minute)
		_ = s.Close()
	}
}

// The process is killed while it moves the records of a store of format 3, again and
// again, and then not: nothing is lost. MOA_MIGRATE_KILLS says how often.
func TestKilledWhileMigrating(t *testing.T) {
	s := smallStore(t, t.TempDir())
	storetest.Fill(t, s, 3000)
	want := everything(t, s)
	asOlder(t, s, 3)
	dir := s.opt.Dir
	var took time.Duration
	for n := range rounds(t, "MOA_MIGRATE_KILLS", 3) {
		to := t.TempDir()
		if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		for kill := range 3 { // of one store
			ctx, cancel := context.WithCancel(t.Context())
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(os.Environ(), MigrateDir+"="+to)
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			var timer *time.Timer
			if n+kill > 0 { // the first one tells how long it takes
				timer = time.AfterFunc(rand.N(took), cancel)
			}
			line := make([]byte, 256)
			got, _ := out.Read(line)
			if timer == nil {
				took = time.Since(begun)
			}
			cancel()
			_ = cmd.Wait() // it was killed
			if got > 0 && string(line[:got]) != "open <nil>\n" {
				t.Fatalf("%s", line[:got])
			}
		}
		s := smallStore(t, to)
		if got := everything(t, s); !slices.Equal(got, want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		checkSound(t, s, len(want))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
