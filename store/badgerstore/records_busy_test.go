package badgerstore

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/store"
)

// The room of removed events is given back also when somebody reads at every
// moment.
func TestCollectedWhileItIsRead(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	s.records.Limit(1<<20, 1<<18)
	var batch, gone []*event.Event
	for i := range int64(1000) {
		batch = append(batch, note(1, i))
		gone = append(gone, note(2, i))
	}
	mustCommit(t, s, batch...)
	mustCommit(t, s, gone...)
	mustRemove(t, s, gone...)
	var done atomic.Bool
	var readers sync.WaitGroup
	defer readers.Wait()
	defer done.Store(true)
	for range 4 {
		readers.Go(func() {
			for !done.Load() {
				_, err := s.Scan(store.Query{Filters: []*event.Filter{{}}}).Next(context.Background(), store.Page{}, func(*store.Record) error { return nil })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Patience)
	defer cancel()
	s.collect(ctx)
	if st := s.records.Stats(); st.Dead > 0 {
		t.Errorf("%+v", st)
	}
}
