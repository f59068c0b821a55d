// Package storetest says by tests what every store.Store must do. Test names
// carry the numbers of the lines of the specification of behaviours that they
// hold a store to: NIP01_14 is line 14 of its section on NIP-01.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/store"
)

// A Maker makes stores for tests.
type Maker struct {
	// Open returns a new empty store. The test closes it.
	Open func(t testing.TB) store.Store
	// Reopen, if not nil, closes s and opens what it has kept.
	Reopen func(t testing.TB, s store.Store) store.Store
	// Disturb, if not nil, does something that must not be seen from outside,
	// n saying what.
	Disturb func(s store.Store, n int)
	// Late stores remove behind their commits what kinds 5 and 62 ask for: how many
	// events Stats tells is not compared.
	Late bool
}

// Run holds a store to everything that this package knows.
func Run(t *testing.T, m Maker) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) {
			s := m.Open(t)
			x := &check{TB: t, Store: s, m: m}
			defer func() { x.noError(x.Store.Close()) }()
			c.run(x)
		})
	}
	t.Run("Differential", func(t *testing.T) { Differential(t, m, 4) })
}

// now is the tests' clock, unless they say otherwise.
const now = 1_700_000_000

// check is a store with what tests ask of it.
type check struct {
	testing.TB
	store.Store
	m Maker
}

func (x *check) noError(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

// reopen closes and opens the store, if it can.
func (x *check) reopen() {
	if x.m.Reopen != nil {
		x.Store = x.m.Reopen(x, x.Store)
	}
}

// commit stores events one by one and wants that outcome of each.
func (x *check) commit(want store.Outcome, events ...*event.Event) {
	x.Helper()
	for _, e := range events {
		got, err := x.Commit(context.Background(), now, []*event.Event{e})
		x.noError(err)
		if len(got) != 1 || got[0].Outcome != want {
			x.Fatalf("event %s of kind %d: outcome %v, want %v", e.ID, e.Kind, got, want)
		}
	}
}

// query asks the filter given as JSON.
func query(filters ...string) store.Query {
	q := store.Query{Now: now}
	for _, text := range filters {
		f, err := event.ParseFilter([]byte(text))
		if err != nil {
			panic(fmt.Sprintf("filter %s: %v", text, err))
		}
		q.Filters = append(q.Filters, f)
	}
	return q
}

// scan returns everything that q finds, in pages.
func scan(s store.Store, q store.Query, page store.Page) (found []store.Record, p store.Progress, err error) {
	sc := s.Scan(q)
	for range 1_000_000 {
		p, err = sc.Next(context.Background(), page, func(r *store.Record) error {
			c := *r
			c.Raw = slices.Clone(r.Raw)
			found = append(found, c)
			return nil
		})
		if err != nil || p.Done {
			return found, p, err
		}
	}
	return found, p, errors.New("no end after a million pages")
}

// finds wants exactly these events in this order.
func (x *check) finds(q store.Query, want ...*event.Event) store.Progress {
	x.Helper()
	got, p, err := scan(x.Store, q, store.Page{})
	x.noError(err)
	var ids []event.ID
	for _, r := range got {
		ids = append(ids, r.ID)
	}
	var wantIDs []event.ID
	for _, e := range want {
		wantIDs = append(wantIDs, e.ID)
	}
	if !slices.Equal(ids, wantIDs) {
		x.Fatalf("found %v\nwant  %v", ids, wantIDs)
	}
	for i, r := range got {
		if e := want[i]; string(r.Raw) != string(e.Raw) || r.PubKey != e.PubKey || r.Kind != e.Kind || r.CreatedAt != e.CreatedAt || r.Serial == 0 {
			x.Fatalf("record %+v is not event %+v", r, e)
		}
	}
	return p
}

// counts wants COUNT to say n.
func (x *check) counts(q store.Query, n int) {
	x.Helper()
	got, err := store.Total(context.Background(), x.Count(q))
	x.noError(err)
	if got != n {
		x.Fatalf("count is %d, want %d", got, n)
	}
}

// holds wants everything in the store to be these events, newest first.
func (x *check) holds(want ...*event.Event) {
	x.Helper()
	x.finds(query(`{}`), want...)
	x.counts(query(`{}`), len(want))
	// A large deletion or vanish may go on behind its commit.
	testwait.Eventually(x, fmt.Sprintf("Stats says %d events", len(want)), func() bool { return x.Stats().Events == int64(len(want)) })
	for _, e := range want {
		x.finds(query(fmt.Sprintf(`{"ids":["%s"]}`, e.ID)), e)
	}
}

// misses wants the events to be gone for every way of asking.
func (x *check) misses(gone ...*event.Event) {
	x.Helper()
	for _, e := range gone {
		x.finds(query(fmt.Sprintf(`{"ids":["%s"]}`, e.ID)))
		if x.Has(e.ID) {
			x.Fatalf("Has knows %s, which is gone", e.ID)
		}
	}
}
