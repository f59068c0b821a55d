package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/memstore"
)

// Differential commits random events that collide in every way to a store and
// to memstore, and wants the same outcomes and the same answers, in the same
// order, to random queries read in random pages while events are deleted.
func Differential(t *testing.T, m Maker, rounds int) {
	for seed := range rounds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			d := &duel{TB: t, m: m, mix: newMix(uint64(seed)), s: m.Open(t), oracle: memstore.New()}
			defer func() {
				if err := d.s.Close(); err != nil {
					t.Error(err)
				}
			}()
			for range 60 {
				d.commit()
				d.remove()
				for range 6 {
					d.scan()
				}
				d.rest()
			}
		})
	}
}

type duel struct {
	testing.TB
	*mix
	m      Maker
	s      store.Store
	oracle store.Store
}

// commit gives both the same batch.
func (d *duel) commit() {
	d.Helper()
	d.commitBoth(d.batch())
}

func (d *duel) commitBoth(batch []*event.Event) {
	d.Helper()
	ctx := context.Background()
	got, err := d.s.Commit(ctx, d.now, batch)
	want, err2 := d.oracle.Commit(ctx, d.now, batch)
	if err != nil || err2 != nil {
		d.Fatal(err, err2)
	}
	for i := range want {
		if got[i] != want[i] {
			d.Fatalf("event %d of %d, %s: got %v, want %v", i, len(batch), batch[i].Raw, got[i], want[i])
		}
	}
	if d.s.Last() != d.oracle.Last() {
		d.Fatalf("Last is %d, want %d", d.s.Last(), d.oracle.Last())
	}
	if a, b := d.s.Stats().Events, d.oracle.Stats().Events; a != b && !d.m.Late {
		d.Fatalf("%d events, want %d", a, b)
	}
}

// remove has the operator remove the same from both.
func (d *duel) remove() {
	d.Helper()
	ids := d.removal()
	s, ok := d.s.(store.Remover)
	if !ok || ids == nil {
		return
	}
	got, err := s.Remove(context.Background(), ids)
	want, err2 := d.oracle.(store.Remover).Remove(context.Background(), ids)
	if err != nil || err2 != nil || got != want {
		d.Fatalf("removed %d, want %d; %v, %v", got, want, err, err2)
	}
}

// rest lets time pass, sweeps, and reopens now and then.
func (d *duel) rest() {
	d.now += d.rnd.Int64N(20)
	if d.rnd.IntN(4) == 0 { // when a store sweeps must not be seen
		ctx := context.Background()
		got, err := d.s.Expire(ctx, d.now, 1000)
		want, err2 := d.oracle.Expire(ctx, d.now, 1000)
		if err != nil || err2 != nil || got != want {
			d.Fatalf("expired %d, want %d; %v, %v", got, want, err, err2)
		}
	}
	if d.m.Reopen != nil && d.rnd.IntN(20) == 0 {
		d.s = d.m.Reopen(d, d.s)
	}
}

func some[T any](rnd *rand.Rand, n int, one func() T, compare func(a, b T) int) []T {
	out := []T{}
	for range n {
		out = append(out, one())
	}
	slices.SortFunc(out, compare)
	return slices.CompactFunc(out, func(a, b T) bool { return compare(a, b) == 0 })
}

func (d *duel) filter() *event.Filter {
	f := new(event.Filter)
	one := func(n int) bool { return d.rnd.IntN(n) == 0 }
	if one(5) {
		f.IDs = some(d.rnd, d.rnd.IntN(6), func() event.ID { return pick(d.rnd, d.known).ID }, event.CompareIDs)
	}
	if one(2) {
		f.Authors = some(d.rnd, d.rnd.IntN(4)+1, func() event.PubKey { return Key(d.rnd.IntN(6)) }, event.ComparePubKeys)
	}
	if one(2) {
		f.Kinds = some(d.rnd, d.rnd.IntN(5)+1, func() uint16 { return pick(d.rnd, mixKinds) }, func(a, b uint16) int { return int(a) - int(b) })
	}
	text := func(values ...string) event.TagFilter {
		slices.Sort(values)
		return event.TagFilter{Values: slices.Compact(values)}
	}
	addTag := func(name byte, t event.TagFilter) { t.Name = name; f.Tags = append(f.Tags, t) }
	if one(6) {
		addTag('d', text(pick(d.rnd, mixDs), pick(d.rnd, mixDs)))
	}
	if one(6) {
		addTag('e', text(pick(d.rnd, d.known).ID.String(), pick(d.rnd, d.known).ID.String()))
	}
	if one(6) {
		addTag('p', text(Key(d.rnd.IntN(6)).String()))
	}
	if one(4) {
		addTag('t', text(pick(d.rnd, []string{"a", "b", ""}), pick(d.rnd, []string{"a\x00", "c", "b"})))
	}
	if one(5) {
		f.Tags = append(f.Tags, d.places())
	}
	if one(4) {
		f.Since = d.time()
	}
	if one(4) {
		f.Until, f.HasUntil = d.time(), true
	}
	if one(2) {
		f.Limit, f.HasLimit = d.rnd.IntN(12), true
	}
	return f
}

// places is a `#g`, `#i` or `#I` of cells and regions.
func (d *duel) places() event.TagFilter {
	name := pick(d.rnd, mixPlaceTags)
	var values []string
	for range 1 + d.rnd.IntN(3) {
		values = append(values, fmt.Sprintf("%q", placeIn(name, pick(d.rnd, mixPlaces))+pick(d.rnd, []string{"", "*"})))
	}
	f, err := event.ParseFilter([]byte(`{"#` + name + `":[` + strings.Join(values, ",") + `]}`))
	if err != nil {
		d.Fatal(err)
	}
	return f.Tags[0]
}

func (d *duel) query() store.Query {
	q := store.Query{Now: d.now, Bulk: d.rnd.IntN(5) == 0}
	for range 1 + d.rnd.IntN(3) {
		q.Filters = append(q.Filters, d.filter())
	}
	if d.rnd.IntN(2) == 0 {
		q.UpTo = d.oracle.Last() - store.Serial(d.rnd.IntN(int(min(d.oracle.Last(), 5))+1))
	}
	if d.rnd.IntN(5) == 0 {
		q.DefaultLimit = 1 + d.rnd.IntN(20)
	}
	if d.rnd.IntN(5) == 0 {
		q.MaxLimit = 1 + d.rnd.IntN(20)
	}
	if d.rnd.IntN(4) == 0 {
		q.Visible = func(r *store.Record) bool { return r.ID[0]%3 != 0 }
	}
	if d.rnd.IntN(3) == 0 {
		q.Private = &store.Private{
			Kinds:  some(d.rnd, d.rnd.IntN(6), func() uint16 { return pick(d.rnd, mixKinds) }, func(a, b uint16) int { return int(a) - int(b) }),
			People: some(d.rnd, d.rnd.IntN(3), func() event.PubKey { return Key(d.rnd.IntN(6)) }, event.ComparePubKeys),
		}
	}
	return q
}

// scan reads a query from both side by side, in the same pages.
func (d *duel) scan() {
	d.Helper()
	q := d.query()
	a, b := d.s.Scan(q), d.oracle.Scan(q)
	quiet := true // nothing was deleted meanwhile
	for {
		page := store.Page{Events: 1 + d.rnd.IntN(9)}
		got, p, err := pageOf(a, page, d.rnd.IntN(3)*d.rnd.IntN(30))
		want, p2, err2 := pageOf(b, page, 0)
		if err != nil || err2 != nil {
			d.Fatal(err, err2)
		}
		if !slices.Equal(got, want) {
			d.Fatalf("query %s\ngot  %v\nwant %v", describe(q), got, want)
		}
		if len(got) < page.Events { // the end, of both
			if p.All && !p2.All {
				d.Fatalf("query %s: All, though not all was found", describe(q))
			}
			if !p.Done || !p2.Done {
				d.Fatalf("query %s: a short page that is not the last: %v, %v", describe(q), p, p2)
			}
			break
		}
		if p.Done && p2.Done {
			break
		}
		if d.m.Disturb != nil && d.rnd.IntN(3) == 0 {
			d.m.Disturb(d.s, d.rnd.IntN(100))
		}
		if q.UpTo != 0 && d.rnd.IntN(6) == 0 {
			quiet = false
			victim := pick(d.rnd, d.known)
			d.commitBoth([]*event.Event{Make(victim.PubKey, 5, 0, fmt.Sprint(d.rnd.Uint64()), eTag(victim))})
		}
	}
	if !quiet {
		return
	}
	got, err := store.Total(context.Background(), d.s.Count(q))
	want, err2 := store.Total(context.Background(), d.oracle.Count(q))
	if err != nil || err2 != nil || got != want {
		d.Fatalf("query %s: count %d, want %d; %v, %v", describe(q), got, want, err, err2)
	}
}

// pageOf reads one page, in steps of so much work.
func pageOf(sc store.Scan, page store.Page, work int) (found []store.Serial, p store.Progress, err error) {
	step := page
	step.Work = work
	for {
		p, err = sc.Next(context.Background(), step, func(r *store.Record) error {
			found = append(found, r.Serial)
			return nil
		})
		step.Events = page.Events - len(found)
		if work == 0 || step.Events <= 0 || p.Done || err != nil {
			return found, p, err
		}
	}
}

func describe(q store.Query) string {
	var b []byte
	for _, f := range q.Filters {
		b = append(f.Append(b), ' ')
	}
	return fmt.Sprintf("%sup to %d, now %d, default %d, max %d, visible %v, private %v", b, q.UpTo, q.Now, q.DefaultLimit, q.MaxLimit, q.Visible != nil, q.Private)
}
