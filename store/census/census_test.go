package census

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/memstore"
	"moa/store/storetest"
)

var now = time.Date(2026, 12, 1, 5, 0, 0, 0, time.UTC)

func openBadger(t *testing.T) *badgerstore.Store {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Options{Dir: t.TempDir(), NoSync: true, HotMB: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func commit(t *testing.T, st store.Store, at int64, batch []*event.Event) []store.Result {
	t.Helper()
	got, err := st.Commit(t.Context(), at, batch)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// What is counted in Badger is what a plain count of a model in memory says, whatever was
// replaced, deleted, expired and removed meanwhile.
func TestCountAgreesWithAModel(t *testing.T) {
	st, model := openBadger(t), memstore.New()
	storetest.Mixed(3, 60, func(at int64, batch []*event.Event, remove []event.ID) {
		for _, to := range []store.Store{st, model} {
			commit(t, to, at, batch)
			if _, err := to.(store.Remover).Remove(t.Context(), remove); err != nil {
				t.Fatal(err)
			}
		}
	})
	var batch []*event.Event
	for i := range 3000 { // more than a page
		at := now.AddDate(0, 0, 2-i%400).Unix() // some ahead, and some before the window
		batch = append(batch, storetest.Make(storetest.Key(100+i%70), uint16(i%9), at, string(make([]byte, i%300)), event.Tag{"d", string(rune('a' + i%26))}))
	}
	for some := range slices.Chunk(batch, 500) {
		commit(t, st, now.Unix(), some)
		commit(t, model, now.Unix(), some)
	}
	for _, at := range []int64{0, math.MaxInt64} {
		e := []*event.Event{storetest.Make(storetest.Key(200), 1, at, "when?")}
		if a, b := commit(t, st, now.Unix(), e)[0].Outcome, commit(t, model, now.Unix(), e)[0].Outcome; a != b {
			t.Fatalf("dated %d: %v and %v", at, a, b)
		}
	}
	var want []*store.Record
	err := store.Each(t.Context(), model, store.Query{Filters: []*event.Filter{{}}}, func(r *store.Record) error {
		one := *r
		want = append(want, &one)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var told int64
	got, err := Count(t.Context(), st, Options{Now: now, Top: 7, Progress: func(n int64) { told = n }})
	if err != nil {
		t.Fatal(err)
	}
	sum := func(which func(*store.Record) bool) (a Amount) {
		for _, r := range want {
			if which(r) {
				a.add(len(r.Raw))
			}
		}
		return a
	}
	same := func(what any, got Amount, which func(*store.Record) bool) {
		t.Helper()
		if w := sum(which); got != w {
			t.Errorf("%v: %v, want %v", what, got, w)
		}
	}
	same("all", got.Amount, func(*store.Record) bool { return true })
	if told != got.Events || got.Events < 2000 || got.Disk == 0 {
		t.Errorf("told %d, %d events, %d bytes on disk", told, got.Events, got.Disk)
	}
	var kinds int64
	for i, k := range got.Kinds {
		same(k.Kind, k.Amount, func(r *store.Record) bool { return r.Kind == k.Kind })
		if kinds += k.Events; i > 0 && got.Kinds[i-1].Bytes < k.Bytes {
			t.Error("the kinds are not in their order")
		}
	}
	if kinds != got.Events {
		t.Errorf("%d events by kind, of %d", kinds, got.Events)
	}
	days := got.Earlier.Events + got.Later.Events
	for _, d := range got.Days {
		same(d.Day, d.Amount, func(r *store.Record) bool { return time.Unix(r.CreatedAt, 0).UTC().Format(time.DateOnly) == d.Day })
		days += d.Events
	}
	today := now.Truncate(24 * time.Hour)
	ahead := func(r *store.Record) bool { return r.CreatedAt >= today.AddDate(0, 0, 1).Unix() }
	same("later", got.Later, ahead)
	same("earlier", got.Earlier, func(r *store.Record) bool { return r.CreatedAt < today.AddDate(0, 0, -365).Unix() })
	if days != got.Events || got.Earlier.Events == 0 || got.Later.Events == 0 {
		t.Errorf("%d events by day, of %d", days, got.Events)
	}
	for _, g := range got.Growth {
		same(g.Days, g.Amount, func(r *store.Record) bool { return !ahead(r) && r.CreatedAt >= today.AddDate(0, 0, 1-g.Days).Unix() })
	}
	by := map[event.PubKey]Amount{}
	for _, r := range want {
		a := by[r.PubKey]
		a.add(len(r.Raw))
		by[r.PubKey] = a
	}
	var list []Author
	for pk, a := range by {
		list = append(list, Author{pk, a, 0})
	}
	slices.SortFunc(list, largest)
	if !slices.Equal(got.Authors, list[:7]) || got.AuthorsSeen != len(list) || got.AuthorsMore {
		t.Errorf("of %d authors: %v, want %v", got.AuthorsSeen, got.Authors, list[:7])
	}
}

// An empty store has lists, and no nulls.
func TestNothingIsCounted(t *testing.T) {
	r, err := Count(t.Context(), memstore.New(), Options{Now: now})
	if err != nil || r.Events != 0 || r.Kinds == nil || r.Days == nil || r.Authors == nil || len(r.Growth) != len(spans) {
		t.Errorf("%+v %v", r, err)
	}
}

// With more authors than there is room for, memory stays as it is, the largest authors
// are told, and the error is not more than what is said of it.
func TestAuthorsHaveABound(t *testing.T) {
	const most, many, large = 1000, 50_000, 20
	random := rand.New(rand.NewPCG(1, 2))
	a, exact, total := newAuthors(most), map[event.PubKey]Amount{}, int64(0)
	add := func(n, bytes int) {
		var pk event.PubKey
		binary.BigEndian.PutUint64(pk[:], uint64(n))
		a.add(pk, bytes)
		e := exact[pk]
		e.add(bytes)
		exact[pk], total = e, total+int64(bytes)
		if len(a.of) > most {
			t.Fatalf("%d authors are kept", len(a.of))
		}
	}
	for i := range many {
		add(large+i, 100+random.IntN(400))
		if i%10 == 0 { // the large ones have about a third of all bytes
			add(random.IntN(large), 1500)
		}
	}
	if a.level == 0 || a.level > 2*total/most {
		t.Errorf("the level is %d, of %d bytes", a.level, total)
	}
	top := a.top(large)
	for i, one := range top {
		e := exact[one.PubKey]
		if n := binary.BigEndian.Uint64(one.PubKey[:]); n >= large {
			t.Errorf("number %d is author %d, a small one", i, n)
		}
		if one.Bytes > e.Bytes || one.Bytes+one.Missed < e.Bytes || one.Events > e.Events {
			t.Errorf("%v has %v", one, e)
		}
	}
	for pk, e := range exact {
		if h, known := a.of[pk]; h.Bytes > e.Bytes || known && h.Bytes+h.missed < e.Bytes || !known && e.Bytes > a.level {
			t.Errorf("%v: %v, and has %v; level %d", pk, h, e, a.level)
		}
	}
}

// The end of ctx ends a count at once, also while it rests.
func TestCountEnds(t *testing.T) {
	st := memstore.New()
	for i := range 3 {
		var batch []*event.Event
		for j := range 1000 {
			batch = append(batch, storetest.Make(storetest.Key(1), 1, int64(1000*i+j), ""))
		}
		commit(t, st, 1, batch)
	}
	ctx, cancel := context.WithCancel(t.Context())
	begun, ended := make(chan struct{}, 10), make(chan error, 1)
	go func() {
		_, err := Count(ctx, st, Options{Pause: math.MaxInt32, Progress: func(int64) { begun <- struct{}{} }})
		ended <- err
	}()
	<-begun
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(testwait.Patience):
		t.Fatal("the count goes on")
	}
}
