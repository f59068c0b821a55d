package badgerstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// serialsOf is what a store serves, in order, with the serials.
func serialsOf(t *testing.T, s store.Store) (list []held) {
	t.Helper()
	scan := s.Scan(store.Query{Filters: []*event.Filter{{}}})
	for done := false; !done; {
		p, err := scan.Next(context.Background(), store.Page{}, func(r *store.Record) error {
			list = append(list, held{r.ID, r.Serial})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		done = p.Done
	}
	return list
}

type held struct {
	id     event.ID
	serial store.Serial
}

// remove removes what the patterns match.
func remove(t *testing.T, dir string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

var allKeys = []string{"MANIFEST", "*.sst", "*.mem", "*.vlog", "KEYREGISTRY", "DISCARD", "journal.*"}

// mixed is a store that has seen everything: what replaces, deletes, vanishes and
// expires, what the operator removed and what of that came again, and collections.
func mixed(t *testing.T, seed uint64) *Store {
	t.Helper()
	return mixedOf(t, seed, true)
}

func mixedOf(t *testing.T, seed uint64, collects bool) *Store {
	t.Helper()
	s := smallStore(t, t.TempDir())
	if collects {
		s.SmallRecords()
	}
	storetest.Mixed(seed, 60, func(now int64, batch []*event.Event, gone []event.ID) {
		if _, err := s.Commit(t.Context(), now, batch); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Expire(t.Context(), now, 1000); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Remove(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		if collects && now%5 == 0 {
			s.Collect(t.Context())
		}
	})
	return s
}

// repaired repairs the folder, and wants in it what there was.
func repaired(t *testing.T, dir string, want []held) *RepairReport {
	t.Helper()
	calls := 0
	r, err := Repair(t.Context(), Options{Dir: dir, CacheMB: 32}, func(done, total uint64) {
		if calls++; done > total {
			t.Fatalf("%d of %d are done", done, total)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if calls == 0 || r.Events != uint64(len(want)) {
		t.Fatalf("report %+v after %d calls, want %d events", r, calls, len(want))
	}
	s := smallStore(t, dir)
	defer s.Close()
	if got := serialsOf(t, s); !slices.Equal(got, want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	checkSound(t, s, len(want))
	return r
}

// Whatever of the keys is missing, Repair makes them anew from the records alone:
// every event is there again with its serial, and none that was removed.
func TestRepairMakesTheKeysAnew(t *testing.T) {
	for name, gone := range map[string][]string{
		"all": allKeys, "the list": {"MANIFEST"}, "tables": {"*.sst"}, "logs": {"*.mem"}, "nothing": nil,
		"all but the journal": allKeys[:len(allKeys)-1],
	} {
		for _, killed := range []bool{false, true} {
			if killed && name == "all" { // the journal has what nothing else was promised
				continue
			}
			s := mixed(t, 1)
			want, last := serialsOf(t, s), s.Last()
			dir := s.opt.Dir
			if killed {
				dir = unclean(t, s)
			} else if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			remove(t, dir, gone...)
			repaired(t, dir, want)
			s = smallStore(t, dir)
			r, err := s.Commit(t.Context(), 0, []*event.Event{note(77, 99)})
			if err != nil || r[0].Serial <= want[0].serial || name != "all" && r[0].Serial != last+1 {
				t.Fatalf("without %s: serial %v after %d (%v)", name, r, last, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What was deleted or replaced does not come back after a repair.
func TestRepairKeepsTheRules(t *testing.T) {
	s := mixed(t, 2)
	var all []*event.Event
	storetest.Mixed(2, 60, func(_ int64, batch []*event.Event, _ []event.ID) { all = append(all, batch...) })
	dir := s.opt.Dir
	type fate struct {
		id      event.ID
		outcome store.Outcome
	}
	fates := func(s *Store) (list []fate) {
		for _, e := range all {
			r, err := s.Commit(t.Context(), 0, []*event.Event{e})
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, fate{e.ID, r[0].Outcome})
		}
		return list
	}
	s.flush()
	twin := writeFolder(t, asKilled(t, s))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Repair(t.Context(), Options{Dir: dir, CacheMB: 32}, nil); err != nil {
		t.Fatal(err)
	}
	s, other := smallStore(t, dir), smallStore(t, twin)
	defer s.Close()
	defer other.Close()
	got, want := fates(s), fates(other)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("event %d of kind %d: outcome %d, want %d", i, all[i].Kind, got[i].outcome, want[i].outcome)
		}
	}
}

// What bars an address is found out from the records, and nothing more than that.
func TestRepairFindsBars(t *testing.T) {
	s := smallStore(t, t.TempDir())
	v := func(at int64) *event.Event { return storetest.Make(storetest.Key(1), 0, at, "") }
	expiring := storetest.Make(storetest.Key(1), 0, 30, "", event.Tag{"expiration", "40"})
	mustCommit(t, s, v(1000), storetest.Make(storetest.Key(1), 5, 9, "", event.Tag{"e", v(1000).ID.String()}))
	mustCommit(t, s, v(10), v(20), expiring)
	if n, err := s.Expire(t.Context(), 50, 10); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	dir := s.opt.Dir
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	remove(t, dir, allKeys...)
	repaired(t, dir, []held{{storetest.Make(storetest.Key(1), 5, 9, "", event.Tag{"e", v(1000).ID.String()}).ID, 2}})
	s = smallStore(t, dir)
	defer s.Close()
	for _, c := range []struct {
		at   int64
		want store.Outcome
	}{{1000, store.Deleted}, {10, store.Stale}, {20, store.Stale}, {25, store.Stored}} {
		r, err := s.Commit(t.Context(), 60, []*event.Event{v(c.at)})
		if err != nil || r[0].Outcome != c.want {
			t.Errorf("version of %d: %v (%v), want %d", c.at, r, err, c.want)
		}
	}
}

// A repair that is interrupted anywhere can be run again, or is finished when the
// store is opened.
func TestRepairInterrupted(t *testing.T) {
	s := mixed(t, 3)
	want, dir := serialsOf(t, s), s.opt.Dir
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	remove(t, dir, "*.sst")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Repair(ctx, Options{Dir: dir, CacheMB: 32}, func(done, _ uint64) {
		if done > 0 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if _, err := Open(Options{Dir: dir, CacheMB: 32}); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("error %v, want ErrDamaged", err)
	}
	o := &Options{Dir: dir, CacheMB: 32, Existing: true}
	o.setDefaults()
	p := &repairer{o: o, report: new(RepairReport), progress: func(uint64, uint64) {}}
	if err := errors.Join(p.survey(), p.open(), p.run(t.Context()), p.close(), readySwap(dir)); err != nil {
		t.Fatal(err)
	}
	// Killed at each step of the swap.
	check := func(dir string) {
		t.Helper()
		s := smallStore(t, dir)
		defer s.Close()
		if got := serialsOf(t, s); !slices.Equal(got, want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		checkSound(t, s, len(want))
	}
	copied := func() string {
		to := t.TempDir()
		if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		return to
	}
	check(copied())
	half := copied()
	remove(t, half, "MANIFEST", "*.vlog")
	check(half)
	if err := errors.Join(removeKeys(dir), os.Rename(filepath.Join(dir, swapReady), filepath.Join(dir, swapMoving))); err != nil {
		t.Fatal(err)
	}
	check(copied())
	for _, name := range namesIn(t, filepath.Join(dir, swapMoving)) {
		if strings.HasSuffix(name, ".sst") {
			if err := os.Rename(filepath.Join(dir, swapMoving, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	check(dir)
}

// A record whose bytes went bad is named, and lost; the others are not.
func TestRepairNamesDamagedRecords(t *testing.T) {
	s := smallStore(t, t.TempDir())
	mustCommit(t, s, note(1, 1), note(2, 2), note(3, 3))
	dir, victim := s.opt.Dir, note(2, 2)
	placeOf(t, s, victim).change(t, 30, func(b byte) byte { return b ^ 1 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Repair(t.Context(), Options{Dir: dir, CacheMB: 32}, nil)
	if err != nil || r.Events != 2 || r.Damaged != 1 || !slices.Equal(r.Serials, []uint64{2}) {
		t.Fatalf("report %+v (%v)", r, err)
	}
	s = smallStore(t, dir)
	defer s.Close()
	checkSound(t, s, 2)
	mustCommit(t, s, victim) // it may come again
	checkSound(t, s, 3)
}
