package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/relay/relaytest"
)

// killRounds is how often something is killed.
func killRounds(few, many int) int {
	if *torture || os.Getenv("MOA_TORTURE") != "" {
		return many
	}
	return few
}

// seeded is a source of random times. Its seed is another each time, and told.
func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// slowly runs `moa args...`, which must succeed, if it takes minutes.
func slowly(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	cmd := moa(t.Context(), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("moa %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// killedAfter runs `moa args...` and kills it after a while, if it still runs.
func killedAfter(t *testing.T, wait time.Duration, args ...string) (killed bool) {
	t.Helper()
	cmd := moa(context.Background(), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait() // how it ended is looked at below
	return !cmd.ProcessState.Exited()
}

// TestKilledBackupsAndRestores kills them anywhere: what was there is intact, what
// appears is whole, and to run the same again succeeds.
func TestKilledBackupsAndRestores(t *testing.T) {
	random := seeded(t)
	data, text := dataOf(t, 3000)
	dir := t.TempDir()
	backup := filepath.Join(dir, "backup")
	began := time.Now()
	good(t, "store", "backup", "--data", data, backup)
	backupTime := time.Since(began)
	restored := filepath.Join(dir, "restored")
	began = time.Now()
	good(t, "store", "restore", "--data", restored, backup)
	restoreTime := time.Since(began)

	kills := 0
	for round := range killRounds(6, 50) {
		b := filepath.Join(dir, fmt.Sprint("backup", round))
		args := []string{"store", "backup", "--data", data, b}
		if killedAfter(t, time.Duration(random.Int64N(int64(backupTime))), args...) {
			kills++
		}
		if _, err := os.Stat(b); err != nil {
			good(t, args...)
		}
		good(t, "store", "check", "--data", b)

		to := filepath.Join(dir, fmt.Sprint("store", round))
		old := jsonl([]*event.Event{relaytest.NewKey(9).Note(t, fmt.Sprint("old ", round))})
		good(t, "import", "--data", to, file(t, "old.jsonl", old))
		args = []string{"store", "restore", "--data", to, "--replace", b}
		if killedAfter(t, time.Duration(random.Int64N(int64(restoreTime))), args...) {
			kills++
		}
		if got := exported(t, to); got != old && got != text {
			t.Fatalf("round %d: the store has %d lines, neither those of before nor those of after", round, strings.Count(got, "\n"))
		}
		good(t, args...)
		if got := exported(t, to); got != text {
			t.Fatalf("round %d: %d lines are restored", round, strings.Count(got, "\n"))
		}
		good(t, "store", "check", "--deep", "--data", to)
	}
	if got := exported(t, data); got != text {
		t.Errorf("the store has %d lines", strings.Count(got, "\n"))
	}
	t.Logf("%d were killed", kills)
}

// acknowledged is what had its OK at one time.
type acknowledged struct {
	stored   map[event.ID]*event.Event
	profiles map[event.PubKey]int64
	deleted  map[event.ID]bool
}

func (w *world) now() acknowledged {
	w.mu.Lock()
	defer w.mu.Unlock()
	return acknowledged{maps.Clone(w.stored), maps.Clone(w.profiles), maps.Clone(w.deleted)}
}

// TestBackupsUnderLoadHoldWhatWasAcknowledged takes backups of a relay again and
// again while it is written to, until it is killed. Each that appears restores to
// at least what had its OK when it began.
func TestBackupsUnderLoadHoldWhatWasAcknowledged(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	w := &world{stored: map[event.ID]*event.Event{}, profiles: map[event.PubKey]int64{}, deleted: map[event.ID]bool{}}
	whole, cut := 0, 0
	for round := range killRounds(2, 50) {
		s := serveIn(t, data)
		dirs := t.TempDir()
		begun := map[string]acknowledged{}
		var backups sync.WaitGroup
		backups.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-s.ended:
					return
				default:
				}
				dir := filepath.Join(dirs, fmt.Sprint(n))
				begun[dir] = w.now()
				_ = moa(context.Background(), "store", "backup", "--data", data, dir).Run() // the relay may be killed meanwhile
			}
		})
		w.load(t, s, round)
		backups.Wait()
		for dir, before := range begun {
			if _, err := os.Stat(dir); err != nil {
				cut++
				continue
			}
			whole++
			w.restores(t, dir, before)
		}
		if t.Failed() {
			t.Fatalf("round %d; the log:\n%s", round, s.lines())
		}
	}
	t.Logf("%d backups, %d cut off", whole, cut)
	if whole == 0 {
		t.Error("no backup was taken")
	}
}

// restores restores a backup, and holds it to what was acknowledged before it began.
func (w *world) restores(t *testing.T, dir string, before acknowledged) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "restored")
	slowly(t, "store", "restore", "--data", to, dir)
	slowly(t, "store", "check", "--deep", "--data", to)
	there, profiles := map[event.ID]bool{}, map[event.PubKey]int64{}
	for line := range strings.Lines(slowly(t, "export", "--data", to)) {
		e, err := event.Parse([]byte(strings.TrimSpace(line)))
		if err != nil {
			t.Fatal(err)
		}
		there[e.ID] = true
		if e.Kind == 0 {
			profiles[e.PubKey] = e.CreatedAt
		}
		if before.deleted[e.ID] {
			t.Errorf("%s is back, though it was deleted", e.ID)
		}
	}
	after := w.now()
	for id, e := range before.stored {
		if !there[id] && after.stored[id] != nil { // nor deleted meanwhile
			t.Errorf("kind %d of %d had its OK, and is not in the backup: %s", e.Kind, e.CreatedAt, id)
		}
	}
	for key, at := range before.profiles {
		if profiles[key] < at {
			t.Errorf("%s has the profile of %d, older than that of %d", key, profiles[key], at)
		}
	}
}
