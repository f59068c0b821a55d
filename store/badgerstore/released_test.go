package badgerstore

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4/options"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// released unpacks a store that an earlier moa has written. testdata/format4.tar.gz is
// of the first release: `moa import` of 150 events of ../../nips/event/testdata, every
// tenth of them deleted, of 40 replaceable and addressable ones of four authors, of a
// profile of the author 9 in milliseconds with its deletion, and of a note of the author
// 8 who has vanished. The others are of what came before it, at b50a93d, edd502f and
// f93ea23, with the same events.
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

// A store that an earlier moa of any format has written is read, holds what it held,
// and keeps to its rules; and so after a repair without its keys.
func TestReleasedStoreOpens(t *testing.T) {
	var latest []string // what the store of this format holds
	for _, c := range []struct {
		format       int
		repair       bool
		milliseconds store.Outcome // of an older version than one that was deleted
	}{
		// What bars an address was not told by keys then: a version that is gone does.
		{4, false, store.Stale},
		{4, true, store.Stored},
		{3, false, store.Stale},
		{2, false, store.Stale},
		{1, false, store.Stale},
	} {
		what := fmt.Sprintf("format %d, repaired %v", c.format, c.repair)
		dir := released(t, fmt.Sprintf("format%d.tar.gz", c.format))
		if c.repair {
			remove(t, dir, allKeys...)
			if r, err := Repair(t.Context(), Options{Dir: dir, CacheMB: 32}, nil); err != nil || r.Events != releasedEvents || r.Damaged != 0 {
				t.Fatalf("%s: report %+v (%v)", what, r, err)
			}
		}
		s := smallStore(t, dir)
		checkSound(t, s, releasedEvents)
		held := allRaw(t, s)
		if latest == nil {
			latest = held
		}
		if !slices.Equal(held, latest) {
			t.Errorf("%s: it holds other events", what)
		}
		keepsItsRules(t, what, s, c.milliseconds)
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

// releasedEvents is how many events the stores of testdata hold.
const releasedEvents = 164

// allRaw is every event as it came, the newest first.
func allRaw(t *testing.T, s *Store) (all []string) {
	t.Helper()
	_, err := s.Scan(store.Query{Filters: []*event.Filter{{}}}).Next(t.Context(), store.Page{}, func(r *store.Record) error {
		e, err := r.Event()
		if err != nil {
			return err
		}
		all = append(all, string(e.Raw))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func keepsItsRules(t *testing.T, what string, s *Store, milliseconds store.Outcome) {
	t.Helper()
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
			t.Errorf("%s: event of %d: %v (%v), want %d", what, c.e.CreatedAt, r, err, c.want)
		}
	}
}

// The tables of before format 4 are compressed. They are no damage, and a wrong byte in
// one of them is.
func TestTablesOfOlderFormatsAreVerified(t *testing.T) {
	s := smallStore(t, released(t, "format3.tar.gz"))
	defer s.Close()
	name := filepath.Join(s.opt.Dir, "000001.sst")
	if err := s.verifyTable(name); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/3] ^= 1
	other := filepath.Join(t.TempDir(), "000001.sst")
	if err := os.WriteFile(other, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []options.CompressionType{options.None, options.Snappy} {
		if verifyTable(other, c) == nil {
			t.Errorf("a damaged table is whole with compression %d", c)
		}
	}
}
