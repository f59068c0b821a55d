package relay

import (
	"context"
	"sync"

	"moa/nips/event"
	"moa/relay/internal/fifo"
	"moa/store"
)

// maxDoubts is how many events of failed commits are remembered; they take
// about 400 KB.
const maxDoubts = 4096

// doubts are events of failed commits of which the store did not tell whether
// it has them. If it has, they were stored without being passed on to the live
// subscriptions; so one that comes again and turns out to be a duplicate is
// passed on then. The zero doubts are empty.
type doubts struct {
	mu    sync.Mutex // guards the following
	open  map[event.ID]struct{}
	order fifo.Queue[event.ID] // oldest first; also of some that are settled
}

// add remembers an event; of more than maxDoubts the oldest is forgotten.
func (d *doubts) add(id event.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.open[id]; ok {
		return
	}
	if d.open == nil {
		d.open = map[event.ID]struct{}{}
	}
	d.open[id] = struct{}{}
	d.order.Push(id)
	if d.order.Len() > maxDoubts {
		delete(d.open, d.order.Pop())
	}
}

func (d *doubts) has(id event.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.open[id]
	return ok
}

// settle forgets an event whose fate is known. It reports whether it was in doubt.
func (d *doubts) settle(id event.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.open[id]
	delete(d.open, id)
	return ok
}

// has reports whether the event is stored, and was passed on.
func (in *ingest) has(id event.ID) bool { return in.store.Has(id) && !in.doubts.has(id) }

// settle takes the events out of doubt whose fate the store has told, and puts
// those into it that it has not.
func (in *ingest) settle(ctx context.Context, events []*event.Event, results []store.Result) {
	for i, e := range events {
		switch {
		case i >= len(results) || results[i].Outcome == 0:
			in.doubts.add(e.ID)
		case in.doubts.settle(e.ID) && results[i].Outcome == store.Duplicate:
			if n := in.serial(ctx, e.ID); n != 0 {
				results[i] = store.Result{Outcome: store.Stored, Serial: n}
			}
		}
	}
}

// serial looks a stored event up. 0: it is not found.
func (in *ingest) serial(ctx context.Context, id event.ID) (n store.Serial) {
	scan := in.store.Scan(store.Query{Filters: []*event.Filter{{IDs: []event.ID{id}}}, Now: in.now().Unix()})
	for {
		p, err := scan.Next(ctx, store.Page{Events: 1}, func(r *store.Record) error {
			n = r.Serial
			return nil
		})
		if err != nil || p.Done || n != 0 {
			return n
		}
	}
}
