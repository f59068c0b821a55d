package badgerstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/storetest"
)

// fill commits until the store refuses, and returns what was acknowledged.
func fill(t *testing.T, s store.Store, c *storetest.Corpus, most int) (acked []*event.Event, err error) {
	for len(acked) < most {
		batch := c.Batch(min(most, 256))
		results, err := s.Commit(context.Background(), c.Now(), batch)
		if err != nil {
			return acked, err
		}
		for i, r := range results {
			if r.Outcome == store.Stored && !event.Replaceable(batch[i].Kind) && !event.Addressable(batch[i].Kind) {
				acked = append(acked, batch[i])
			}
		}
	}
	return acked, nil
}

// served wants every event to be found by its id.
func served(t *testing.T, s store.Store, events []*event.Event) {
	t.Helper()
	for _, e := range events {
		n, err := store.Total(context.Background(), s.Count(store.Query{Filters: []*event.Filter{{IDs: []event.ID{e.ID}}}}))
		if err != nil || n != 1 {
			t.Fatalf("event %s is found %d times, want once (%v)", e.ID, n, err)
		}
	}
}

func TestFullDiskIsToldAndHeals(t *testing.T) {
	s := open(t, badgerstore.Options{Dir: t.TempDir()})
	defer s.Close()
	c := storetest.NewCorpus(3)
	acked, err := fill(t, s, c, 200)
	if err != nil {
		t.Fatal(err)
	}
	full := false
	s.SetRoom(func(int) error {
		if full {
			return fmt.Errorf("%w: by a test", store.ErrFull)
		}
		return nil
	})
	full = true
	if _, err := fill(t, s, c, 1); !errors.Is(err, store.ErrFull) {
		t.Fatalf("error %v, want ErrFull", err)
	}
	served(t, s, acked)
	full = false
	more, err := fill(t, s, c, 200)
	if err != nil {
		t.Fatal(err)
	}
	served(t, s, append(acked, more...))
	sound(t, s)
}

// A file system of 64 MB runs full under load, and is then made larger. It
// takes root to mount one; without, the promise rests on the test above.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Logf("not tested: mounting a file system: %v", err)
		return
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	s, err := badgerstore.Open(badgerstore.Options{Dir: dir, CacheMB: 32, HotMB: -1, ReserveMB: 40})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := storetest.NewCorpus(4)
	acked, err := fill(t, s, c, 1_000_000)
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("error %v after %d events, want ErrFull", err, len(acked))
	}
	for range 20 { // it stays calm when asked again and again
		more, err := fill(t, s, c, 1_000_000)
		if !errors.Is(err, store.ErrFull) {
			t.Fatalf("error %v, want ErrFull", err)
		}
		acked = append(acked, more...)
	}
	served(t, s, acked)
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=112m"); err != nil {
		t.Fatal(err)
	}
	more, err := fill(t, s, c, 2000)
	if err != nil {
		t.Fatal(err)
	}
	served(t, s, append(acked, more...))
	sound(t, s)
}

func TestMemoryRecoversFromAFailedWrite(t *testing.T) {
	s := open(t, badgerstore.Options{Dir: t.TempDir()})
	defer s.Close()
	c := storetest.NewCorpus(5)
	acked, err := fill(t, s, c, 200)
	if err != nil {
		t.Fatal(err)
	}
	last := s.Last()
	s.SyncFails()
	if _, err := fill(t, s, c, 1); err == nil {
		t.Fatal("a commit that was not synced was acknowledged")
	}
	more, err := fill(t, s, c, 200)
	if err != nil {
		t.Fatal(err)
	}
	if s.Last() <= last {
		t.Fatalf("Last is %d after %d", s.Last(), last)
	}
	served(t, s, append(acked, more...))
	sound(t, s)
}
