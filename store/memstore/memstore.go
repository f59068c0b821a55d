// Package memstore is the store in its plainest form: a sorted slice and
// loops. It is the oracle that other stores are tested against, and it serves
// tests that need a store and no disk. It is slow and forgets everything.
package memstore

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"moa/nips/event"
	"moa/store"
)

// Store is a store.Store. Make it with New.
type Store struct {
	mu     sync.RWMutex // guards the following
	closed bool
	events []entry // in the order of a Scan
	last   store.Serial

	bars        map[store.Address]version // the newest version that a newer one took the place of
	deletedID   map[idBy]bool
	deletedAddr map[store.Address]int64 // up to this time
	vanished    map[event.PubKey]int64  // up to this time
}

type entry struct {
	serial store.Serial
	*event.Event
}

type version struct {
	createdAt int64
	id        event.ID
}

type idBy struct {
	id event.ID
	by event.PubKey
}

// New returns an empty store.
func New() *Store {
	return &Store{
		bars:        map[store.Address]version{},
		deletedID:   map[idBy]bool{},
		deletedAddr: map[store.Address]int64{},
		vanished:    map[event.PubKey]int64{},
	}
}

// compare orders entries as a Scan does.
func compare(a, b entry) int {
	return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), event.CompareIDs(a.ID, b.ID))
}

// Commit does what store.Store says.
func (s *Store) Commit(ctx context.Context, now int64, batch []*event.Event) ([]store.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	results := make([]store.Result, len(batch))
	for i, e := range batch {
		if err := ctx.Err(); err != nil {
			return onlyStored(results), err
		}
		results[i] = s.commitLocked(now, e)
	}
	return results, nil
}

// onlyStored keeps of the results of a failed Commit what it may tell.
func onlyStored(results []store.Result) []store.Result {
	for i := range results {
		if results[i].Outcome != store.Stored {
			results[i] = store.Result{}
		}
	}
	return results
}

func (s *Store) commitLocked(now int64, e *event.Event) store.Result {
	if o := s.refuseLocked(now, e); o != 0 {
		return store.Result{Outcome: o}
	}
	if a, ok := store.AddressOf(e); ok {
		if old := s.atLocked(a); old != nil {
			s.bars[a] = version{old.CreatedAt, old.ID}
			s.removeLocked(func(e *event.Event) bool { return e == old })
		}
	}
	switch e.Kind {
	case event.KindDeletion:
		s.deleteLocked(e)
	case event.KindVanish:
		s.vanished[e.PubKey] = e.CreatedAt
		s.removeLocked(func(old *event.Event) bool {
			return old.CreatedAt <= e.CreatedAt && (old.PubKey == e.PubKey || slices.Contains(store.Recipients(old), e.PubKey))
		})
	}
	s.last++
	n := entry{s.last, e}
	at, _ := slices.BinarySearchFunc(s.events, n, compare)
	s.events = slices.Insert(s.events, at, n)
	return store.Result{Outcome: store.Stored, Serial: s.last}
}

// refuseLocked returns why e is not stored, or 0.
func (s *Store) refuseLocked(now int64, e *event.Event) store.Outcome {
	if e.Expiration != 0 && e.Expiration <= now {
		return store.Expired
	}
	if s.findLocked(e.ID) != nil {
		return store.Duplicate
	}
	owners := append(store.Recipients(e), e.PubKey)
	for _, by := range owners {
		if store.Deletable(e.Kind) && s.deletedID[idBy{e.ID, by}] {
			return store.Deleted
		}
	}
	a, addressed := store.AddressOf(e)
	if until, ok := s.deletedAddr[a]; addressed && ok && e.CreatedAt <= until {
		return store.Deleted
	}
	for _, by := range owners {
		if until, ok := s.vanished[by]; ok && e.CreatedAt <= until {
			return store.Vanished
		}
	}
	if !addressed {
		return 0
	}
	if old := s.atLocked(a); old != nil && event.Newer(old.CreatedAt, old.ID, e.CreatedAt, e.ID) {
		if old.Expiration == 0 || old.Expiration > now {
			return store.Stale
		}
		s.removeLocked(func(e *event.Event) bool { return e == old }) // it bars nothing
	}
	if v, ok := s.bars[a]; ok && (v.id == e.ID || event.Newer(v.createdAt, v.id, e.CreatedAt, e.ID)) {
		return store.Stale
	}
	return 0
}

// atLocked returns the event that has the address, or nil.
func (s *Store) atLocked(a store.Address) *event.Event {
	for _, n := range s.events {
		if b, ok := store.AddressOf(n.Event); ok && a == b {
			return n.Event
		}
	}
	return nil
}

func (s *Store) deleteLocked(e *event.Event) {
	ids, addrs := store.Targets(e)
	for _, id := range ids {
		s.deletedID[idBy{id, e.PubKey}] = true
	}
	for _, a := range addrs {
		s.deletedAddr[a] = max(s.deletedAddr[a], e.CreatedAt)
	}
	s.removeLocked(func(old *event.Event) bool {
		if a, ok := store.AddressOf(old); ok && slices.Contains(addrs, a) && old.CreatedAt <= e.CreatedAt {
			return true
		}
		return store.Deletable(old.Kind) && slices.Contains(ids, old.ID) &&
			(old.PubKey == e.PubKey || slices.Contains(store.Recipients(old), e.PubKey))
	})
}

func (s *Store) removeLocked(doomed func(*event.Event) bool) {
	s.events = slices.DeleteFunc(s.events, func(n entry) bool { return doomed(n.Event) })
}

func (s *Store) findLocked(id event.ID) *event.Event {
	for _, n := range s.events {
		if n.ID == id {
			return n.Event
		}
	}
	return nil
}

// Has does what store.Store says.
func (s *Store) Has(id event.ID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.findLocked(id) != nil
}

// Last does what store.Store says.
func (s *Store) Last() store.Serial {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.last
}

// Expire does what store.Store says.
func (s *Store) Expire(ctx context.Context, now int64, most int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, store.ErrClosed
	}
	n := 0
	s.removeLocked(func(e *event.Event) bool {
		if n == most || e.Expiration == 0 || e.Expiration > now {
			return false
		}
		n++
		return true
	})
	return n, ctx.Err()
}

// Stats does what store.Store says.
func (s *Store) Stats() store.Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := store.Stats{Events: int64(len(s.events))}
	for _, n := range s.events {
		st.Bytes += int64(len(n.Raw))
	}
	return st
}

// Close makes everything but Stats, Has and Last fail.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
