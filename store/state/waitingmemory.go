package state

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"moa/nips/event"
)

// waiting are the events that wait. They are few: what is asked of them by a client that
// may see none takes no lock.
type waiting struct {
	count atomic.Int64

	mu     sync.RWMutex // guards the following
	events map[event.ID]*Waiting
	bytes  int

	recheck map[event.PubKey]bool
	hint    chan struct{} // that there are recheck; one is enough
}

func (m *waiting) replace(all []*Waiting) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.events
	m.events, m.bytes = map[event.ID]*Waiting{}, 0
	for _, w := range all {
		if before := old[w.Event.ID]; before != nil {
			w.from = before.from
		}
		m.addLocked(w)
	}
}

func (m *waiting) add(w *Waiting) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addLocked(w)
}

func (m *waiting) addLocked(w *Waiting) {
	m.events[w.Event.ID] = w
	m.bytes += w.bytes()
	m.count.Store(int64(len(m.events)))
}

func (m *waiting) drop(which func(*Waiting) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, w := range m.events {
		if which(w) {
			delete(m.events, id)
			m.bytes -= w.bytes()
		}
	}
	m.count.Store(int64(len(m.events)))
}

func (m *waiting) approve(pk event.PubKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, w := range m.events {
		if w.Event.PubKey == pk {
			one := *w // others may be reading the old one
			one.Approved = true
			m.events[id] = &one
		}
	}
}

// admit reports whether there is room for an event, and the one that it replaces.
func (m *waiting) admit(w *Waiting, b WaitingBounds) (older *Waiting, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, replaceable := w.Event.Address()
	all, author, address := room{}, room{}, room{}
	for _, one := range m.events {
		if replaceable && one.Event.PubKey == w.Event.PubKey {
			if its, ok := one.Event.Address(); ok && its == at {
				older = one
				continue
			}
		}
		all.take(one)
		if one.Event.PubKey == w.Event.PubKey {
			author.take(one)
		}
		if one.from == w.from {
			address.take(one)
		}
	}
	if older != nil && cmp.Or(cmp.Compare(older.Event.CreatedAt, w.Event.CreatedAt), event.CompareIDs(w.Event.ID, older.Event.ID)) > 0 {
		return nil, ErrNewerWait
	}
	for _, r := range []*room{&all, &author, &address} {
		r.take(w)
	}
	switch {
	case author.beyond(b.PerAuthor, b.Bytes/8), w.from != netip.Addr{} && address.beyond(b.PerAddress, b.Bytes/8):
		return nil, ErrNoShare
	case all.beyond(b.Events, b.Bytes):
		return nil, ErrNoRoom
	}
	return older, nil
}

// room is what some of the waiting events take.
type room struct{ events, bytes int }

func (r *room) take(w *Waiting) {
	r.events++
	r.bytes += w.bytes()
}

func (r *room) beyond(events, bytes int) bool { return r.events > events || r.bytes > bytes }

// Waits reports an event that waits.
func (s *Store) Waits(id event.ID) bool {
	m := &s.memory.waiting
	if m.count.Load() == 0 {
		return false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.events[id] != nil
}

// WaitingSize is how many events wait, and their bytes.
func (s *Store) WaitingSize() (events, bytes int) {
	m := &s.memory.waiting
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.events), m.bytes
}

// Waiting are the events that wait and of which that is true, nil for all: what waits
// longest first. They are not to be changed.
func (s *Store) Waiting(which func(*Waiting) bool) (list []*Waiting) {
	m := &s.memory.waiting
	if m.count.Load() == 0 {
		return nil
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, w := range m.events {
		if which == nil || which(w) {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, compareWaiting)
	return list
}
