package badgerstore

import (
	"context"
	"fmt"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// holding is a store whose requests are done by the test.
func holding(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, CacheMB: 32, ReserveMB: -1, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	s.RemoveBehind()
	s.HoldRequests()
	return s
}

// Whatever kinds 5 and 62 ask for is removed behind their commits, a target now and
// then, and interrupted by closing the store: nothing of that is seen from outside.
func TestNobodySeesRemovalsUnderWay(t *testing.T) {
	dirs := map[store.Store]string{}
	openIn := func(t testing.TB, dir string) store.Store {
		s := holding(t, dir)
		dirs[s] = dir
		return s
	}
	reopened := 0
	storetest.Differential(t, storetest.Maker{
		Late: true,
		Open: func(t testing.TB) store.Store { return openIn(t, t.TempDir()) },
		Reopen: func(t testing.TB, s store.Store) store.Store {
			b := s.(*Store)
			if reopened++; reopened%2 == 0 {
				problems(t, b)
				SameWhenRebuilt(t, b)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			s = openIn(t, dirs[s])
			problems(t, s.(*Store))
			return s
		},
		Disturb: func(s store.Store, n int) {
			if _, err := s.(*Store).StepRequests(n % 5); err != nil {
				panic(err)
			}
		},
	}, rounds(t, "MOA_DIFFERENTIALS", 6))
}

func problems(t testing.TB, s *Store) {
	t.Helper()
	r, err := s.Check(context.Background(), true)
	if err != nil || len(r.Problems) > 0 {
		t.Fatalf("%v, %v", r, err)
	}
}

// deletionOf makes a kind 5 of those events, and of so many that nobody knows.
func deletionOf(by int, at int64, unknown int, events ...*event.Event) *event.Event {
	var tags []event.Tag
	for _, e := range events {
		tags = append(tags, event.Tag{"e", e.ID.String()})
	}
	for i := range unknown {
		tags = append(tags, event.Tag{"e", fmt.Sprintf("%08x%056x", i+1, 0)})
	}
	return storetest.Make(storetest.Key(by), event.KindDeletion, at, "", tags...)
}

// written counts the writes of the frames from number on.
func written(t *testing.T, s *Store, from uint64) (writes int) {
	t.Helper()
	found, closeFiles, err := readJournal(s.opt.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles()
	for i := range found.frames {
		if f := &found.frames[i]; f.number >= from {
			w, err := f.read()
			if err != nil {
				t.Fatal(err)
			}
			writes += len(w.list)
		}
	}
	return writes
}

// However many events a kind 5 names, its commit writes what any event of as many tags
// takes, and no step behind it writes more than the limits say.
func TestTheWritesOfADeletionsCommitAreBounded(t *testing.T) {
	for _, targets := range []int{1, 64, 65, 500, 5000} {
		t.Run(fmt.Sprint(targets), func(t *testing.T) {
			s := smallStore(t, t.TempDir())
			defer s.Close()
			s.HoldRequests()
			var all []*event.Event
			for i := range targets {
				all = append(all, note(1, int64(i), event.Tag{"t", "x"}))
			}
			mustCommit(t, s, all...)
			d := deletionOf(1, 9000, 0, all...)
			from := s.journal.end()
			mustCommit(t, s, d)
			if got, most := written(t, s, from), int(makeValue(d).ops()+s.limits.inlineWrites)+10; got > most {
				t.Errorf("%d writes, want at most %d", got, most)
			}
			n, err := store.Total(t.Context(), s.Count(store.Query{Filters: []*event.Filter{{Kinds: []uint16{1}}}}))
			if n != 0 || err != nil {
				t.Fatalf("%d events are found, %v", n, err)
			}
			for more := true; more; {
				from := s.journal.end()
				if more, err = s.StepRequests(1); err != nil {
					t.Fatal(err)
				}
				if got, most := written(t, s, from), int(s.limits.stepWrites)+100; got > most {
					t.Fatalf("a step of %d writes, want at most %d", got, most)
				}
			}
			checkSound(t, s, 1)
		})
	}
}

// The process is killed between two steps of a deletion: what it deletes stays away.
func TestAKillBetweenTheStepsOfADeletion(t *testing.T) {
	s := holding(t, t.TempDir())
	defer s.Close()
	var mine []*event.Event
	for i := range 12 {
		mine = append(mine, note(1, int64(i)))
	}
	profile := storetest.Make(storetest.Key(1), 0, 500, "wrong")
	mustCommit(t, s, append(mine, profile, note(2, 5))...)
	mustCommit(t, s, deletionOf(1, 1000, 3, append(mine, profile)...))
	for more := true; more; {
		killed := smallStore(t, writeFolder(t, asKilled(t, s)))
		checkSound(t, killed, 2)
		got, err := killed.Commit(t.Context(), 0, append(mine, profile))
		for i, r := range got {
			if err != nil || r.Outcome != store.Deleted {
				t.Fatalf("event %d: %v, %v; want Deleted", i, r, err)
			}
		}
		mustCommit(t, killed, storetest.Make(storetest.Key(1), 0, 400, "right"))
		if err := killed.Close(); err != nil {
			t.Fatal(err)
		}
		if more, err = s.StepRequests(1); err != nil {
			t.Fatal(err)
		}
	}
	checkSound(t, s, 2)
}

// A request is itself to go while it is under way: what it
// asks for is done all the same, also if the process is killed then.
func TestARequestThatGoesIsDoneAllTheSame(t *testing.T) {
	for name, gone := range map[string]func(s *Store, asks *event.Event) (int, error){
		"removed": func(s *Store, asks *event.Event) (int, error) {
			return s.Remove(context.Background(), []event.ID{asks.ID})
		},
		"expired": func(s *Store, _ *event.Event) (int, error) { return s.Expire(context.Background(), 3000, 100) },
		"vanished": func(s *Store, _ *event.Event) (int, error) {
			_, err := s.Commit(context.Background(), 0, []*event.Event{storetest.Make(storetest.Key(1), event.KindVanish, 2000, "")})
			return 0, err
		},
	} {
		for _, kind := range []uint16{event.KindDeletion, event.KindVanish} {
			t.Run(fmt.Sprint(name, " ", kind), func(t *testing.T) {
				s := holding(t, t.TempDir())
				defer s.Close()
				var mine []*event.Event
				for i := range 10 {
					wrap := storetest.Make(storetest.Key(5), event.KindGiftWrap, int64(i), "", event.Tag{"p", storetest.Key(1).String()})
					mine = append(mine, note(1, int64(i)), wrap)
				}
				asks := deletionOf(1, 1000, 0, mine...)
				asks = storetest.Make(asks.PubKey, kind, 1000, "", append(asks.Tags, event.Tag{"expiration", "3000"})...)
				mustCommit(t, s, append(mine, note(2, 5))...)
				mustCommit(t, s, asks)
				if _, err := s.StepRequests(2); err != nil {
					t.Fatal(err)
				}
				if _, err := gone(s, asks); err != nil {
					t.Fatal(err)
				}
				for more := true; more; {
					killed := smallStore(t, writeFolder(t, asKilled(t, s)))
					got, err := killed.Commit(t.Context(), 0, mine)
					for i, r := range got {
						if err != nil || r.Outcome != store.Deleted && r.Outcome != store.Vanished {
							t.Fatalf("event %d: %v, %v; want it to be gone", i, r, err)
						}
					}
					problems(t, killed)
					if err := killed.Close(); err != nil {
						t.Fatal(err)
					}
					if more, err = s.StepRequests(1); err != nil {
						t.Fatal(err)
					}
				}
				problems(t, s)
			})
		}
	}
}

// Kinds 5 that come faster than their targets are removed pay for themselves.
func TestDeletionsUnderWayAreBounded(t *testing.T) {
	s := holding(t, t.TempDir())
	defer s.Close()
	for i := range mostDeletions + 10 {
		mustCommit(t, s, deletionOf(1, int64(i), 2))
	}
	left := 0
	for _, r := range s.requests.list {
		if r.(*deletion).left() > 0 {
			left++
		}
	}
	if left != mostDeletions {
		t.Errorf("%d deletions are under way, want %d", left, mostDeletions)
	}
	checkSound(t, s, mostDeletions+10)
}
