package badgerstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/storetest"
)

// smallRecords makes stores whose events lie in small segments.
func smallRecords(o badgerstore.Options) storetest.Maker {
	m := maker(o)
	plainOpen, plainReopen := m.Open, m.Reopen
	small := func(s store.Store) store.Store {
		s.(*badgerstore.Store).SmallRecords()
		return s
	}
	m.Open = func(t testing.TB) store.Store { return small(plainOpen(t)) }
	m.Reopen = func(t testing.TB, s store.Store) store.Store { return small(plainReopen(t, s)) }
	m.Disturb = func(s store.Store, n int) {
		if n < 30 {
			s.(*badgerstore.Store).Collect(context.Background())
		}
	}
	return m
}

// What is served does not depend on when the room of removed events is given
// back.
func TestCollectingIsNotSeen(t *testing.T) {
	storetest.Differential(t, smallRecords(badgerstore.Options{HotMB: -1}), 2)
	storetest.Differential(t, smallRecords(badgerstore.Options{}), 1)
}

// A list that is replaced all the time is found once by everybody who asks for
// it, with and without what is kept of addresses, while segments are collected.
func TestReplacedAllTheTimeIsFoundOnce(t *testing.T) {
	for _, kept := range []int64{0, 1 << 20} {
		t.Run(fmt.Sprintf("kept=%d", kept), func(t *testing.T) {
			s := open(t, badgerstore.Options{Dir: t.TempDir(), HotMB: -1})
			defer s.Close()
			s.SmallRecords()
			s.SetAddressBytes(kept)
			const authors, turns = 20, 120
			version := func(turn int) (batch []*event.Event) {
				for i := range authors {
					batch = append(batch, storetest.Make(storetest.Key(i), 10002, int64(turn), ""), storetest.Make(storetest.Key(i), 0, int64(turn), fmt.Sprint(turn)))
				}
				return batch
			}
			commit(t, s, version(0)...)
			all := store.Query{Filters: []*event.Filter{{Kinds: []uint16{0, 10002}}}}
			for i := range authors {
				all.Filters[0].Authors = append(all.Filters[0].Authors, storetest.Key(i))
			}
			slices.SortFunc(all.Filters[0].Authors, func(a, b event.PubKey) int { return bytes.Compare(a[:], b[:]) })
			var turn atomic.Int64
			var done atomic.Bool
			var readers sync.WaitGroup
			for range 2 {
				readers.Go(func() {
					for !done.Load() {
						from := turn.Load()
						found := map[string]int{}
						_, err := s.Scan(all).Next(context.Background(), store.Page{}, func(r *store.Record) error {
							found[fmt.Sprint(r.Kind, r.PubKey)]++
							if r.CreatedAt < from {
								return fmt.Errorf("version %d after %d was committed", r.CreatedAt, from)
							}
							return nil
						})
						for who, n := range found {
							if n != 1 {
								err = errors.Join(err, fmt.Errorf("%s is found %d times", who, n))
							}
						}
						if len(found) != 2*authors {
							err = errors.Join(err, fmt.Errorf("%d are found, want %d", len(found), 2*authors))
						}
						if err != nil {
							t.Error(err)
							return
						}
						time.Sleep(100 * time.Microsecond) // or the others have nothing of it
					}
				})
			}
			readers.Go(func() {
				for !done.Load() {
					s.Collect(context.Background())
					time.Sleep(time.Millisecond)
				}
			})
			for n := 1; n <= turns; n++ {
				if n%2 == 0 {
					commit(t, s, version(n)...)
				} else {
					for _, e := range version(n) {
						commit(t, s, e)
					}
				}
				turn.Store(int64(n))
			}
			done.Store(true)
			readers.Wait()
			sound(t, s)
			if st := s.Stats(); st.Events != 2*authors {
				t.Errorf("%d events are left", st.Events)
			}
		})
	}
}

// What was deleted is not found when Commit has returned, and not again: after a
// collection, a reopening, and a kill.
func TestDeletedStaysDeleted(t *testing.T) {
	dir := t.TempDir()
	if from := os.Getenv(deletedDir); from != "" {
		deleteUntilKilled(t, from)
		return
	}
	for round := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDeletedStaysDeleted$", "-test.count=1")
		cmd.Env = append(os.Environ(), deletedDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 7)
		_, err = out.Read(said)
		time.Sleep(time.Duration(round*20) * time.Millisecond)
		if err := errors.Join(err, cmd.Process.Kill()); err != nil || string(said) != "deleted" {
			t.Fatal(err, string(said))
		}
		_ = cmd.Wait() // killed
		s := open(t, badgerstore.Options{Dir: dir, HotMB: -1})
		s.SmallRecords()
		for range 2 {
			n, err := store.Total(t.Context(), s.Count(store.Query{Filters: []*event.Filter{{Kinds: []uint16{0, 1}}}}))
			if err != nil || n != kept {
				t.Fatalf("%d events that are not deleted, want %d (%v)", n, kept, err)
			}
			for i := range 3 {
				f := &event.Filter{Kinds: []uint16{0}, Authors: []event.PubKey{storetest.Key(100 + i)}}
				if n, err := store.Total(t.Context(), s.Count(store.Query{Filters: []*event.Filter{f}})); n != 0 || err != nil {
					t.Fatalf("the deleted profile of %d is found (%v)", i, err)
				}
			}
			sound(t, s)
			s.Collect(t.Context())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	deletedDir = "MOA_DELETED_DIR"
	kept       = 50 // notes that nobody deletes
)

// deleteUntilKilled writes and deletes, and says when the first are deleted. Then
// it goes on: profiles are replaced and deleted in one batch.
func deleteUntilKilled(t *testing.T, dir string) {
	s := open(t, badgerstore.Options{Dir: dir, HotMB: -1})
	s.SmallRecords()
	for i := range kept {
		if _, err := s.Commit(t.Context(), 0, []*event.Event{storetest.Make(storetest.Key(1), 1, int64(i), "kept")}); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Now().Unix()
	for turn := 0; ; turn++ {
		at++
		var batch, deletions []*event.Event
		for i := range 200 {
			batch = append(batch, storetest.Make(storetest.Key(100+i%3), 1, at, fmt.Sprint("gone", turn, i)))
		}
		for i := range 3 {
			batch = append(batch, storetest.Make(storetest.Key(100+i), 0, at, fmt.Sprint(turn)))
		}
		for _, e := range batch {
			deletions = append(deletions, storetest.Make(e.PubKey, event.KindDeletion, at, "", event.Tag{"e", e.ID.String()}))
		}
		// One frame: a kill leaves both or none.
		if _, err := s.Commit(t.Context(), 0, append(batch, deletions...)); err != nil {
			t.Fatal(err)
		}
		if turn == 3 {
			fmt.Print("deleted")
		}
		if turn%3 == 0 {
			s.Collect(t.Context())
		}
	}
}
