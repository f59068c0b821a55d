package badgerstore

import (
	"testing"

	"moa/nips/event"
	"moa/store"
)

// A scan that begins before anything is in memory, where the first that comes to it then
// are events dated ahead of the clock, finds these on the disk: it has not looked for
// any, for it was not known yet that there are some.
func TestWhatIsDatedAheadIsFoundWhileMemoryIsFilled(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	awaitWarm(t, s)
	s.SetClock(func() int64 { return 1000 })
	var batch []*event.Event
	for i := range int64(20) {
		batch = append(batch, note(1, 990+i), note(2, 1_000_000+i))
	}
	mustCommit(t, s, batch...)
	s.hot.reset()
	sc := s.newScan(store.Query{Filters: []*event.Filter{{}}})
	sc.planFuture(&sc.page)
	for more := true; more; {
		var err error
		if more, err = s.warmMore(warmChunk); err != nil {
			t.Fatal(err)
		}
	}
	found := 0
	p, err := sc.Next(t.Context(), store.Page{}, func(*store.Record) error { found++; return nil })
	if err != nil || !p.Done || found != len(batch) {
		t.Errorf("%d of %d events are found, %+v (%v)", found, len(batch), p, err)
	}
}
