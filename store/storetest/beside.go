package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"moa/nips/event"
	"moa/store"
)

// ScansBesideCommits scans a set of events that stays, in small pages, while
// others of the same times, kinds and authors come and go.
func ScansBesideCommits(t *testing.T, s store.Store) {
	ctx := context.Background()
	var stays []*event.Event
	for i := range 200 {
		stays = append(stays, Make(Key(i%7), 1, int64(1000-i), "stays", tag("t", "stays")))
	}
	if _, err := s.Commit(ctx, 0, stays); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for reader := range 3 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				if err := scanOnce(s, stays, reader, n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range 120 {
		if err := churn(ctx, s, n); err != nil {
			t.Error(err)
			break
		}
	}
	close(done)
	wg.Wait()
}

func scanOnce(s store.Store, stays []*event.Event, reader, n int) error {
	q := query([]string{`{"#t":["stays"]}`, `{"kinds":[1]}`, `{}`}[reader])
	q.UpTo = s.Last()
	q.Visible = func(r *store.Record) bool { return r.Serial <= store.Serial(len(stays)) }
	found, p, err := scan(s, q, store.Page{Events: 1 + n%40})
	if err != nil {
		return err
	}
	same := slices.EqualFunc(found, stays, func(r store.Record, e *event.Event) bool { return r.ID == e.ID })
	if !same || !p.All {
		return fmt.Errorf("found %d events, want the %d that stay (%+v)", len(found), len(stays), p)
	}
	return nil
}

// churn stores events among those that stay, replaces some and deletes others.
func churn(ctx context.Context, s store.Store, n int) error {
	var batch []*event.Event
	for i := range 10 {
		e := Make(Key(i%7), 1, int64(800+(n*7+i*31)%220), fmt.Sprint("goes", n, i))
		batch = append(batch, e, Make(Key(i), 0, int64(n), fmt.Sprint(n)))
		if i%2 == 0 {
			batch = append(batch, deletes(e.PubKey, int64(900+n), eTag(e)))
		}
	}
	_, err := s.Commit(ctx, 0, batch)
	return err
}
