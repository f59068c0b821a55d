package badgerstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/store"
	"moa/store/storetest"
)

// A process with BitRotDir in its environment is one of TestBitRot.
const BitRotDir = "MOA_BITROT_DIR"

func bitRotOptions(dir string) Options {
	return Options{Dir: dir, CacheMB: 32, HotMB: -1, ReserveMB: -1}
}

// BitRotChild opens a store with a wrong bit as an operator would: it has it
// repaired when that is what the store asks for, at the start or after a scrub. It
// prints what is served before that and after it, and what was told.
func BitRotChild(dir string) {
	told := new(bytes.Buffer)
	o := bitRotOptions(dir)
	o.Log = slog.New(slog.NewTextHandler(told, &slog.HandlerOptions{Level: slog.LevelWarn}))
	repair := func(why any) *Store {
		fmt.Println("repair", strings.ReplaceAll(fmt.Sprint(why), "\n", " "))
		r, err := Repair(context.Background(), o, nil)
		if err != nil {
			fmt.Println("fails", err)
			return nil
		}
		if r.Damaged > 0 {
			fmt.Println("told", r.Damaged, "damaged", r.Serials)
		}
		s, err := Open(o)
		if err != nil {
			fmt.Println("fails", err)
		}
		return s
	}
	s, err := Open(o)
	switch {
	case errors.Is(err, store.ErrDamaged):
		s = repair(err)
	case err != nil:
		fmt.Println("refused", err)
		return
	}
	if s == nil {
		return
	}
	if err := servedOnce(s, "first"); err != nil {
		fmt.Println("told", err)
	}
	if err := s.scrub(context.Background(), 0); err != nil {
		fmt.Println("told", err)
	}
	if troubles := s.Troubles(); strings.Contains(strings.Join(troubles, " "), "repair") {
		if err := s.Close(); err != nil {
			fmt.Println("told", err)
		}
		if s = repair(troubles); s == nil {
			return
		}
	}
	if err := servedOnce(s, "last"); err != nil {
		fmt.Println("fails", err)
	}
	if err := s.scrub(context.Background(), 0); err != nil {
		fmt.Println("fails", err)
	}
	for _, line := range strings.Split(told.String(), "\n") {
		if line != "" {
			fmt.Println("told", line)
		}
	}
	fmt.Println("closed", s.Close())
}

// servedOnce prints every event that is served, with a sum of its bytes.
func servedOnce(s *Store, when string) error {
	scan := s.Scan(store.Query{Filters: []*event.Filter{{}}})
	for {
		p, err := scan.Next(context.Background(), store.Page{Events: 1000}, func(r *store.Record) error {
			fmt.Println(when, served(r))
			return nil
		})
		if err != nil || p.Done {
			return err
		}
	}
}

func served(r *store.Record) string {
	return fmt.Sprintf("%x %x", r.ID, sha256.Sum256(r.Raw))
}

// One bit of one file is wrong, of a store that was stopped or killed. No event is
// lost but one whose own record it is, none comes back, none that is wrong is
// served, and what is not as it was is told. MOA_CRASH_KILLS has it tried more often.
func TestBitRot(t *testing.T) {
	trials := 1
	if os.Getenv("MOA_CRASH_KILLS") != "" {
		trials = 24
	}
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	stopped, killed, want := rottable(t, seed)
	for _, state := range []struct {
		name  string
		files files
	}{{"stopped", stopped}, {"killed", killed}} {
		for _, kind := range []string{"journal.", ".mem", ".sst", "MANIFEST", "records.0", "records.dead", ".dead.sum", "records.notes", "KEYREGISTRY", ".vlog", "DISCARD"} {
			for range trials {
				name, at, ok := aBit(state.files, kind, random)
				if !ok {
					continue
				}
				dir := writeFolder(t, state.files)
				flipBit(t, filepath.Join(dir, name), at, byte(1)<<random.IntN(8))
				out := bitRotChild(t, dir)
				judge(t, fmt.Sprintf("%s, %s at %d", state.name, name, at), strings.HasPrefix(kind, "records.0"), out, want)
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// rottable makes a store in which much has been removed, and returns its files after a
// kill and after a stop, and what it serves.
func rottable(t *testing.T, seed uint64) (stopped, killed files, want map[string]bool) {
	t.Helper()
	s, err := Open(bitRotOptions(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	s.records.Limit(700_000, 1<<18) // one file more between two checkpoints, at most, as of the usual size
	c := storetest.NewCorpus(seed)
	for i := range 12 {
		if _, err := s.Commit(t.Context(), c.Now(), c.Batch(80)); err != nil {
			t.Fatal(err)
		}
		author := storetest.Key(100 + i)
		gone := storetest.Make(author, 1, 10, "gone")
		mustCommit(t, s, gone, storetest.Make(author, 1, 11, "stays"),
			storetest.Make(author, event.KindDeletion, 20, "", event.Tag{"e", gone.ID.String()}),
			storetest.Make(storetest.Key(200+i), 1, 10, "gone"), storetest.Make(storetest.Key(200+i), event.KindVanish, 20, ""))
		if i == 6 {
			if err := s.checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.flush()
	want = map[string]bool{}
	scan := s.Scan(store.Query{Filters: []*event.Filter{{}}})
	if p, err := scan.Next(t.Context(), store.Page{}, func(r *store.Record) error {
		want[served(r)] = true
		return nil
	}); err != nil || !p.Done {
		t.Fatal(err)
	}
	killed = asKilled(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return readFolder(t, s.opt.Dir), killed, want
}

// aBit chooses a file of the kind and a byte of what is written in it.
func aBit(all files, kind string, random *rand.Rand) (name string, at int64, ok bool) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if (strings.HasPrefix(name, kind) || strings.HasSuffix(name, kind)) && len(bytes.TrimRight(all[name], "\x00")) > 0 {
			names = append(names, name)
		}
	}
	if kind == "records.dead" {
		names = []string{"records.dead"}
	}
	if len(names) == 0 {
		return "", 0, false
	}
	name = names[random.IntN(len(names))]
	return name, int64(random.IntN(len(bytes.TrimRight(all[name], "\x00")))), true
}

func bitRotChild(t *testing.T, dir string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), BitRotDir+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out) + "\nfails " + err.Error()
	}
	return string(out)
}

func judge(t *testing.T, what string, record bool, out string, want map[string]bool) {
	t.Helper()
	first, last, told := map[string]bool{}, map[string]bool{}, false
	closed := false
	for line := range strings.Lines(out) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "first":
			first[rest] = true
		case "last":
			last[rest] = true
		case "told", "repair", "refused":
			told = true
		case "closed":
			closed = rest == "<nil>"
		case "fails", "panic:", "fatal":
			t.Errorf("%s: %s", what, out[max(0, len(out)-3000):])
			return
		}
	}
	lost, odd := 0, 0
	for e := range want {
		if !last[e] {
			lost++
		}
		if !first[e] && !told {
			t.Errorf("%s: an event is not served, and nothing is told", what)
		}
	}
	for _, all := range []map[string]bool{first, last} {
		for e := range all {
			if !want[e] {
				odd++
			}
		}
	}
	most := 0
	if record {
		most = 1
	}
	if lost > most || odd > 0 || !closed || lost > 0 && !told {
		var tail []string
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "first") && !strings.HasPrefix(line, "last") {
				tail = append(tail, line)
			}
		}
		t.Errorf("%s: %d lost, %d odd, told %v, closed %v: %s", what, lost, odd, told, closed, strings.Join(tail, ""))
	}
}
