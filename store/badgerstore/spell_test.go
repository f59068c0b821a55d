package badgerstore

import (
	"fmt"
	"testing"

	"moa/nips/event"
	"moa/nips/geohash"
	"moa/store"
	"moa/store/storetest"
)

// Regions of `#i` are found by the cells that there are: few of them, and more
// than are spelled out.
func TestRegionsWithoutListsAreFound(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	commit := func(kind uint16, n int, cell func(i int) string) {
		var batch []*event.Event
		for i := range n {
			batch = append(batch, storetest.Make(storetest.Key(1), kind, int64(i), fmt.Sprint(kind, i), event.Tag{"i", "geo:" + cell(i)}))
		}
		if _, err := s.Commit(t.Context(), 0, batch); err != nil {
			t.Fatal(err)
		}
	}
	count := func(text string) (found, counted int) {
		f, err := event.ParseFilter([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		q := store.Query{Filters: []*event.Filter{f}}
		sc := s.newScan(q)
		for {
			p, err := sc.Next(t.Context(), store.Page{Events: 100}, func(*store.Record) error { found++; return nil })
			if err != nil {
				t.Fatal(err)
			}
			if p.Done {
				break
			}
		}
		counted, err = store.Total(t.Context(), s.Count(q))
		if err != nil {
			t.Fatal(err)
		}
		return found, counted
	}
	commit(1, 50, func(i int) string { return "u33"[:1+i%3] })
	commit(1, 50, func(int) string { return "9q8yy" })
	if found, counted := count(`{"#i":["geo:u3*"]}`); found != 33 || counted != 33 {
		t.Errorf("of a few cells %d are found, %d counted", found, counted)
	}
	commit(2, 3*maxSpelled, func(i int) string { return geohash.Encode(52+float64(i)/1000, 13+float64(i)/1000, 9) })
	commit(3, 10, func(int) string { return "u33a" }) // no geohash
	for _, c := range []struct {
		text string
		want int
	}{{`{"#i":["geo:u*"]}`, 50 + 3*maxSpelled}, {`{"#i":["geo:u*","geo:9q8yy"],"kinds":[1]}`, 100}, {`{"#i":["geo:u33a*"]}`, 0}} {
		if found, counted := count(c.text); found != c.want || counted != c.want {
			t.Errorf("%s: %d are found, %d counted, want %d", c.text, found, counted, c.want)
		}
	}
}
