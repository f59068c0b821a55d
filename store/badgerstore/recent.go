package badgerstore

import (
	"sync"

	"moa/nips/event"
)

// recentIDs is how many ids Has knows. They take about 4 MB.
const recentIDs = 1 << 15

// recent is the set of the ids committed last. The zero recent is empty.
type recent struct {
	mu   sync.RWMutex // guards the following
	set  map[event.ID]struct{}
	ring []event.ID // in the order they came; next is overwritten next
	next int
}

func (r *recent) has(id event.ID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.set[id]
	return ok
}

// update adds and then removes ids.
func (r *recent) update(added, removed []event.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set == nil {
		r.set = make(map[event.ID]struct{})
	}
	for _, id := range added {
		if len(r.ring) < recentIDs {
			r.ring = append(r.ring, id)
		} else {
			delete(r.set, r.ring[r.next])
			r.ring[r.next] = id
			r.next = (r.next + 1) % recentIDs
		}
		r.set[id] = struct{}{}
	}
	for _, id := range removed {
		delete(r.set, id)
	}
}

// clear forgets all: Has may not know what is stored.
func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set, r.ring, r.next = nil, nil, 0
}
