package badgerstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/store"
	"moa/store/storetest"
)

func note(author int, at int64, tags ...event.Tag) *event.Event {
	return storetest.Make(storetest.Key(author), 1, at, "", tags...)
}

func mustCommit(t *testing.T, s *Store, events ...*event.Event) {
	t.Helper()
	results, err := s.Commit(context.Background(), 0, events)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Outcome != store.Stored {
			t.Fatalf("event %d: %v", i, r)
		}
	}
}

func checkSound(t *testing.T, s *Store, events int) {
	t.Helper()
	r, err := s.Check(context.Background(), true)
	if err != nil || len(r.Problems) > 0 || r.Events != events {
		t.Fatalf("%+v, %v; want %d events and no problem", r, err, events)
	}
}

// A crash between the first frame of a job and its last.
func TestInterruptedJobsAreFinishedAtOpen(t *testing.T) {
	dir := t.TempDir()
	s := smallStore(t, dir)
	var mine []*event.Event
	for i := range 700 {
		mine = append(mine, note(1, int64(i)))
	}
	mustCommit(t, s, mine...)
	mustCommit(t, s, note(2, 5))
	var tags []event.Tag
	for _, e := range mine[:200] {
		tags = append(tags, event.Tag{"e", e.ID.String()})
	}
	asks := []*event.Event{
		storetest.Make(storetest.Key(1), event.KindDeletion, 1000, "", tags...),
		storetest.Make(storetest.Key(1), event.KindVanish, 500, "", event.Tag{"relay", "ALL_RELAYS"}),
	}
	w := s.newWriter()
	for _, e := range asks {
		w.serial++
		n := stored{makeTail(e, w.serial), makeValue(e)}
		w.put(n)
		w.set(jobKey(w.serial), append([]byte{jobAsked}, n.tail[:]...))
		if e.Kind == event.KindVanish {
			w.mark(vanishedKey(e.PubKey), appendTime(nil, e.CreatedAt))
		}
	}
	if err := w.seal(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = smallStore(t, dir)
	defer s.Close()
	checkSound(t, s, 199+1+2) // notes after 500, the other author's, the two that asked
	got, err := s.Commit(context.Background(), 0, mine[:1])
	if err != nil || got[0].Outcome != store.Deleted {
		t.Fatalf("%v, %v; want Deleted", got, err)
	}
}

// Two versions with so many tags that no frame takes both.
func TestHugeVersionsReplaceEachOther(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	version := func(at int64) *event.Event {
		var tags []event.Tag
		for i := range 6000 {
			tags = append(tags, event.Tag{"t", fmt.Sprint(at, i)})
		}
		return storetest.Make(storetest.Key(1), 10000, at, "", tags...)
	}
	if w := s.newWriter(); w.fits(2*makeValue(version(1)).ops(), 0) || !w.fits(makeValue(version(1)).ops(), 200_000) {
		t.Fatal("the versions are not as large as the test needs them")
	}
	for at := range int64(4) {
		mustCommit(t, s, version(at+1))
		checkSound(t, s, 1)
	}
	// A deletion of many large events is done in parts.
	v := version(4)
	mustCommit(t, s, storetest.Make(storetest.Key(1), event.KindDeletion, 9, "", event.Tag{"e", v.ID.String()}, event.Tag{"a", "10000:" + v.PubKey.String() + ":"}))
	checkSound(t, s, 1)
}

// An event with more tags than a frame takes harms nobody else in its batch.
func TestEventOfTooManyTagsIsRefusedAlone(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	var tags []event.Tag
	for i := range 40_000 {
		tags = append(tags, event.Tag{"t", fmt.Sprint(i)})
	}
	batch := []*event.Event{note(1, 1), note(1, 2, tags...), storetest.Make(storetest.Key(1), 10000, 3, "", tags...), note(1, 4)}
	results, err := s.Commit(t.Context(), 0, batch)
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Result{{Outcome: store.Stored, Serial: 1}, {Outcome: store.TooLarge}, {Outcome: store.TooLarge}, {Outcome: store.Stored, Serial: 2}}
	if !slices.Equal(results, want) {
		t.Fatalf("%v, want %v", results, want)
	}
	checkSound(t, s, 2)
}

// What a filter says of a stored value is what it says of the event.
func FuzzMatch(f *testing.F) {
	f.Add(`x`, `["t","x"]`, "t", "x")
	f.Add(`["e"]`, "", "e", storetest.Key(1).String())
	f.Fuzz(func(t *testing.T, a, b, name, asked string) {
		if len(name) != 1 || !letter(name[0]) {
			return
		}
		e := note(1, 1, event.Tag{name, a}, event.Tag{name}, event.Tag{b, asked}, event.Tag{name, b})
		for _, value := range []string{asked, a, b} {
			filter := &event.Filter{Tags: []event.TagFilter{{Name: name[0], Values: []string{value}}}}
			m := newMatcher(filter)
			v := makeValue(e)
			if err := v.check(); err != nil {
				t.Fatal(err)
			}
			if got, want := m.matches(v), filter.Matches(e); got != want {
				t.Fatalf("#%s %q of %q: %v, want %v", name, value, e.Tags, got, want)
			}
		}
	})
}

// A read of recent events costs the scan and its plan, nothing an event.
func TestRecentEventsAreFoundWithoutAllocating(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	for i := range 200 {
		mustCommit(t, s, note(i%9, int64(i)))
	}
	s.flush() // or it is done meanwhile
	awaitWarm(t, s)
	awaitIDs(t, s)
	read := func(limit int) float64 {
		q := store.Query{Filters: []*event.Filter{{Kinds: []uint16{1}, Limit: limit, HasLimit: true}}}
		return testing.AllocsPerRun(100, func() {
			p, err := s.Scan(q).Next(context.Background(), store.Page{Work: 100_000}, func(*store.Record) error { return nil })
			if err != nil || !p.Done {
				t.Fatal(p, err)
			}
		})
	}
	if few, many := read(10), read(150); many > few+4 {
		t.Fatalf("%v allocations for 10 events, %v for 150", few, many)
	}
}

// What vanished gives its room on the disk back, and does not return, and what
// stays stays. Badger compacts some tables at once; every reopening makes one.
func TestRemovedEventsGiveTheirRoomBack(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1, NoSync: true}
	const tables, notes = 10, 30
	var s *Store
	reopen := func() {
		if s != nil {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if s, err = Open(o); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("x", 20_000)
	for i := range tables {
		reopen()
		for j := range notes {
			at := int64(i*notes + j)
			mustCommit(t, s, storetest.Make(storetest.Key(1), 1, at, long), note(2, at))
		}
	}
	before := s.Stats().Bytes
	mustCommit(t, s, storetest.Make(storetest.Key(1), event.KindVanish, tables*notes, ""))
	for i := range int64(tables) {
		mustCommit(t, s, note(3, i))
		reopen()
	}
	testwait.Eventually(t, "half of the bytes are free", func() bool { return s.Stats().Bytes <= before/2 })
	kept, err := store.Total(context.Background(), s.Count(store.Query{Filters: []*event.Filter{{Authors: []event.PubKey{storetest.Key(2)}}}}))
	if err != nil || kept != tables*notes {
		t.Fatalf("%d of %d notes are left (%v)", kept, tables*notes, err)
	}
	checkSound(t, s, int(s.Stats().Events))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
