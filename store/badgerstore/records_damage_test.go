package badgerstore

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// valuePlace is where the value of an event lies in a file of records.
type valuePlace struct {
	file string
	at   int64
}

func placeOf(t *testing.T, s *Store, e *event.Event) (p valuePlace) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(s.opt.Dir, "records.0*"))
	v := makeValue(e)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(b, v); i >= 0 {
			return valuePlace{name, int64(i)}
		}
	}
	t.Fatalf("the record of %s is nowhere", e.ID)
	return p
}

// change sets the byte of the value, or of the record's head before it.
func (p valuePlace) change(t *testing.T, at int64, to func(byte) byte) {
	t.Helper()
	f, err := os.OpenFile(p.file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], p.at+at); err != nil {
		t.Fatal(err)
	}
	b[0] = to(b[0])
	if _, err := f.WriteAt(b[:], p.at+at); err != nil {
		t.Fatal(err)
	}
}

func tagged(author int, kind uint16, at int64) *event.Event {
	return storetest.Make(storetest.Key(author), kind, at, "text", event.Tag{"d", "x"}, event.Tag{"d", "another"},
		event.Tag{"e", storetest.Key(2).String()}, event.Tag{"g", "u33dc1"}, event.Tag{"t", strings.Repeat("long", 30)},
		event.Tag{"expiration", "9999999999"}, event.Tag{"p", storetest.Key(3).String()})
}

// Whatever is in the bytes of a record, Check reports it, and a client that asks gets an
// answer or an error; nobody gets an event twice.
func TestDamagedRecordIsReported(t *testing.T) {
	for _, memory := range []int{0, -1} {
		s, err := Open(Options{Dir: t.TempDir(), CacheMB: 32, HotMB: memory, ReserveMB: -1, NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		var all []*event.Event
		for i := range 5 {
			all = append(all, tagged(i, []uint16{1, 0, 30023}[i%3], int64(i)))
		}
		mustCommit(t, s, all...)
		if memory == 0 {
			awaitWarm(t, s) // what is damaged before is not in memory
		}
		victim := all[2]
		p, size := placeOf(t, s, victim), int64(len(makeValue(victim)))
		random := rand.New(rand.NewPCG(1, 1))
		for range 300 {
			at := random.Int64N(size+16) - 16
			by := byte(1 + random.IntN(255))
			p.change(t, at, func(b byte) byte { return b ^ by })
			r, err := s.Check(t.Context(), true)
			if err != nil || len(r.Problems) == 0 {
				t.Fatalf("byte %d: %v, no problem", at, err)
			}
			for _, f := range []*event.Filter{
				{},
				{IDs: []event.ID{victim.ID}},
				{Kinds: []uint16{30023}},
				{Authors: []event.PubKey{victim.PubKey}},
				{Authors: []event.PubKey{victim.PubKey}, Kinds: []uint16{30023}, Tags: []event.TagFilter{{Name: 'd', Values: []string{"x"}}}},
				{Tags: []event.TagFilter{{Name: 'g', Regions: []string{"u33"}}}},
			} {
				seen := map[store.Serial]bool{}
				_, err := s.Scan(store.Query{Filters: []*event.Filter{f}}).Next(t.Context(), store.Page{}, func(r *store.Record) error {
					if seen[r.Serial] {
						return fmt.Errorf("%d is found twice", r.Serial)
					}
					seen[r.Serial] = true
					return nil
				})
				if err != nil && !strings.Contains(err.Error(), "damaged") {
					t.Fatalf("byte %d: %v", at, err)
				}
			}
			p.change(t, at, func(b byte) byte { return b ^ by })
		}
		checkSound(t, s, len(all))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// An entry whose class is damaged reaches beyond the others: the store neither
// dies of it when it is opened nor when the event is removed.
func TestDamagedEntryKillsNobody(t *testing.T) {
	o := Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1, NoSync: true}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	victim := storetest.Make(storetest.Key(1), 30023, 1, "", event.Tag{"d", "a"}, event.Tag{"d", "b"})
	mustCommit(t, s, victim, note(2, 2))
	placeOf(t, s, victim).change(t, headBytes+3+1, func(byte) byte { return classHash })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	awaitWarm(t, s)
	if _, err := s.Remove(t.Context(), []event.ID{victim.ID}); err != nil && !strings.Contains(err.Error(), "damaged") {
		t.Fatal(err)
	}
	mustCommit(t, s, note(3, 3))
}

// Whatever byte of a record is damaged, a scan that passes over it names it: what
// reads everything can tell that something was left out.
func TestPassedOverIsNamed(t *testing.T) {
	for _, memory := range []int{0, -1} {
		for _, at := range []int64{-16, -8, -5, 0, 90} { // its serial, its length, its kind, its text
			s, err := Open(Options{Dir: t.TempDir(), CacheMB: 32, HotMB: memory, ReserveMB: -1, NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			mustCommit(t, s, note(1, 1), note(1, 2), note(1, 3))
			if memory == 0 {
				awaitWarm(t, s)
			}
			placeOf(t, s, note(1, 2)).change(t, at, func(b byte) byte { return b ^ 1 })
			s.records.Forget()
			if got := everything(t, s); len(got) != 2 || s.Damaged() != 1 {
				t.Errorf("memory %d, byte %d: %d events are found, %d are named", memory, at, len(got), s.Damaged())
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
