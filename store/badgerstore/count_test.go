package badgerstore

import (
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// A count by authors reads an event of each, to see that it has the whole key, and
// counts the keys of the others.
func TestACountReadsOneEventOfAnAuthor(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1, NoSync: true, HotMB: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 300 {
		mustCommit(t, s, note(i%3, int64(i)))
	}
	nobody := storetest.Key(2)
	nobody[31] ^= 1
	q := store.Query{Filters: []*event.Filter{{Authors: []event.PubKey{storetest.Key(0), storetest.Key(1)}}}}
	for _, c := range []struct {
		since       int64
		found, read int
	}{{0, 200, 2}, {150, 100, 2}, {1000, 0, 0}} {
		q.Filters[0].Since = c.since
		before := s.ReadFromDisk()
		n, err := store.Total(t.Context(), s.Count(q))
		if read := s.ReadFromDisk() - before; n != c.found || err != nil || read != float64(c.read) {
			t.Errorf("since %d: %d counted, %v read, %v; want %d, %d", c.since, n, read, err, c.found, c.read)
		}
	}
	q.Filters[0].Authors = []event.PubKey{nobody}
	if n, err := store.Total(t.Context(), s.Count(q)); n != 0 || err != nil {
		t.Errorf("%d counted of an author that begins like another, %v", n, err)
	}
}
