package storetest

import (
	"context"

	"moa/nips/event"
	"moa/store"
)

// removal is what a store.Remover must do.
var removal = []conformanceTest{
	{"Removed_by_the_operator", func(x *check) {
		s, ok := x.Store.(store.Remover)
		if !ok {
			return
		}
		remove := func(want int, events ...*event.Event) {
			x.Helper()
			var ids []event.ID
			for _, e := range events {
				ids = append(ids, e.ID)
			}
			if n, err := s.Remove(context.Background(), ids); err != nil || n != want {
				x.Fatalf("removed %d, %v; want %d", n, err, want)
			}
		}
		note, other := Make(alice, 1, 10, "a", tag("t", "x")), Make(alice, 1, 11, "b", tag("t", "x"))
		profile, deletion := Make(alice, 0, 12, ""), deletes(alice, 13, eTag(Make(alice, 1, 1, "unknown")))
		x.commit(store.Stored, note, other, profile, deletion)
		remove(0)
		remove(3, note, profile, deletion, note, Make(bob, 1, 1, "never seen"))
		x.misses(note, profile, deletion)
		x.finds(query(`{"#t":["x"]}`), other)
		x.reopen()
		s = x.Store.(store.Remover)
		x.misses(note, profile, deletion)
		x.holds(other)
		x.commit(store.Stored, note) // to keep it out is the caller's business
		x.holds(other, note)
		remove(1, note)
		older := Make(alice, 0, 11, "older")
		x.commit(store.Stored, older) // nothing took its place
	}},
}
