package badgerstore

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// released unpacks a store that a released moa has written. testdata/format4.tar.gz
// is of 9f60adc: `moa import` of 150 events of ../../nips/event/testdata, every tenth of
// them deleted, of 40 replaceable and addressable ones of four authors, of a profile
// of the author 9 in milliseconds with its deletion, and of a note of the author 8
// who has vanished.
func released(t *testing.T, name string) (dir string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(h.Name)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A store that a released moa of this format has written opens as it is, holds what it
// held, and keeps to its rules; and so after a repair without its keys.
func TestReleasedStoreOpens(t *testing.T) {
	const events = 164
	for _, repair := range []bool{false, true} {
		dir := released(t, "format4.tar.gz")
		// What bars an address was not told by keys then: a version that is gone does.
		milliseconds := store.Stale
		if repair {
			remove(t, dir, allKeys...)
			if r, err := Repair(t.Context(), Options{Dir: dir, CacheMB: 32}, nil); err != nil || r.Events != events || r.Damaged != 0 {
				t.Fatalf("report %+v (%v)", r, err)
			}
			milliseconds = store.Stored
		}
		s := smallStore(t, dir)
		checkSound(t, s, events)
		for _, c := range []struct {
			e    *event.Event
			want store.Outcome
		}{
			{storetest.Make(storetest.Key(9), 0, 1_700_000_000, ""), milliseconds},
			{storetest.Make(storetest.Key(9), 0, 1_700_000_000_000, "in milliseconds"), store.Deleted},
			{storetest.Make(storetest.Key(8), 1, 5, ""), store.Vanished},
			{storetest.Make(storetest.Key(0), 0, 1_700_000_000, "older"), store.Stale},
			{storetest.Make(storetest.Key(0), 0, 1_800_000_000, "newer"), store.Stored},
		} {
			r, err := s.Commit(t.Context(), 0, []*event.Event{c.e})
			if err != nil || r[0].Outcome != c.want {
				t.Errorf("repaired %v: event of %d: %v (%v), want %d", repair, c.e.CreatedAt, r, err, c.want)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = smallStore(t, dir) // and is opened again, with its bars
		checkSound(t, s, int(s.Stats().Events))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
