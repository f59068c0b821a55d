package state

import (
	"maps"
	"slices"

	"moa/nips/event"
)

// Over reports that the event waits no longer.
func (w *Waiting) Over(now int64) bool {
	return w.Until <= now || w.Event.Expiration != 0 && w.Event.Expiration <= now
}

// Now is the time by the store's clock, Unix seconds.
func (s *Store) Now() int64 { return s.now().Unix() }

// Recheck has it looked at whether an author still wants what waits of theirs.
func (s *Store) Recheck(pk event.PubKey) {
	m := &s.memory.waiting
	if m.count.Load() == 0 || !s.RecheckLater(pk) {
		return
	}
	select {
	case m.hint <- struct{}{}:
	default: // it is known
	}
}

// RecheckLater is Recheck without haste. It reports whether anything of the author waits.
func (s *Store) RecheckLater(pk event.PubKey) bool {
	m := &s.memory.waiting
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.events {
		if w.Event.PubKey == pk {
			m.recheck[pk] = true
			return true
		}
	}
	return false
}

// Rechecks has something when there are ToRecheck.
func (s *Store) Rechecks() <-chan struct{} { return s.memory.waiting.hint }

// ToRecheck are the authors that Recheck was told of since the last call.
func (s *Store) ToRecheck() (list []event.PubKey) {
	m := &s.memory.waiting
	m.mu.Lock()
	defer m.mu.Unlock()
	list = slices.Collect(maps.Keys(m.recheck))
	clear(m.recheck)
	return list
}
