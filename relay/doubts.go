package relay

import (
	"sync"

	"moa/nips/event"
	"moa/relay/internal/fifo"
)

// maxDoubts is how many events of failed commits are remembered; they take
// about 400 KB.
const maxDoubts = 4096

// doubts are events of failed commits of which the store did not tell whether
// it has them. If it has, they were stored without having reached the live
// subscriptions; so one that comes again and turns out to be a duplicate is
// handed to them then. The zero doubts are empty.
type doubts struct {
	mu    sync.Mutex // guards the following
	open  map[event.ID]struct{}
	order fifo.Queue[event.ID] // oldest first; also of some whose fate is known
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

// clear forgets an event whose fate is known. It reports whether it was in doubt.
func (d *doubts) clear(id event.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.open[id]
	delete(d.open, id)
	return ok
}
