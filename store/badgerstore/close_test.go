package badgerstore

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// Close comes beside a commit that leaves work behind it: a large request to
// vanish. Either it was taken, and is done when the store is open again, or it
// was not; and nobody is alarmed.
func TestCloseBesideACommit(t *testing.T) {
	dir := t.TempDir()
	const notes = 3 * chunk
	log := new(strings.Builder)
	for round := range 6 {
		s, err := Open(Options{Dir: dir, CacheMB: 32, ReserveMB: -1, NoSync: true, Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		var batch []*event.Event
		for i := range notes {
			batch = append(batch, note(round, int64(i)))
		}
		mustCommit(t, s, batch...)
		var all sync.WaitGroup
		var taken error
		all.Go(func() {
			_, taken = s.Commit(context.Background(), 0, []*event.Event{storetest.Make(storetest.Key(round), event.KindVanish, notes, "")})
		})
		time.Sleep(time.Duration(round) * 2 * time.Millisecond)
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		s = smallStore(t, dir)
		left, err := store.Total(t.Context(), s.Count(store.Query{Filters: []*event.Filter{{Kinds: []uint16{1}, Authors: []event.PubKey{storetest.Key(round)}}}}))
		if want := map[bool]int{true: 0, false: notes}[taken == nil]; left != want || err != nil {
			t.Fatalf("%d notes are left, want %d (%v, %v)", left, want, taken, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Error(log)
	}
}
