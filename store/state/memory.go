package state

import (
	"context"
	"maps"
	"net/netip"
	"sync/atomic"

	"moa/nips/event"
)

// memory is what policies ask. Each part of it is never changed, but replaced: a
// reader takes no lock.
type memory struct {
	authors   shards[event.PubKey, Author]
	events    shards[event.ID, Ruling]
	addresses atomic.Pointer[networks]
	kinds     atomic.Pointer[map[uint16]bool]
	settings  atomic.Pointer[map[string]string]
}

// shards is a map in parts, of which a change copies one.
type shards[K ~[32]byte, V any] struct {
	parts [256]atomic.Pointer[map[K]V]
}

func (s *shards[K, V]) get(k K) (v V, ok bool) {
	if m := s.parts[k[0]].Load(); m != nil {
		v, ok = (*m)[k]
	}
	return v, ok
}

// change has f replace what is known of k; false: nothing is.
func (s *shards[K, V]) change(k K, f func(V) (V, bool)) {
	part := &s.parts[k[0]]
	next := map[K]V{}
	if m := part.Load(); m != nil {
		next = maps.Clone(*m)
	}
	if v, ok := f(next[k]); ok {
		next[k] = v
	} else {
		delete(next, k)
	}
	part.Store(&next)
}

// replace takes over all of a map.
func (s *shards[K, V]) replace(all map[K]V) {
	var parts [len(s.parts)]*map[K]V
	for k, v := range all {
		if parts[k[0]] == nil {
			parts[k[0]] = &map[K]V{}
		}
		(*parts[k[0]])[k] = v
	}
	for i, part := range parts {
		s.parts[i].Store(part)
	}
}

func (s *shards[K, V]) all() map[K]V {
	all := map[K]V{}
	for i := range s.parts {
		if m := s.parts[i].Load(); m != nil {
			maps.Copy(all, *m)
		}
	}
	return all
}

// networks are blocked addresses, looked up by each length of prefix there is.
type networks struct {
	why     map[netip.Prefix]string
	lengths []int // without repetition
}

func newNetworks(why map[netip.Prefix]string) *networks {
	n := &networks{why: why}
	var seen [129]bool
	for p := range why {
		if !seen[p.Bits()] {
			seen[p.Bits()] = true
			n.lengths = append(n.lengths, p.Bits())
		}
	}
	return n
}

func (n *networks) find(ip netip.Addr) (why string, ok bool) {
	for _, bits := range n.lengths {
		if p, err := ip.Prefix(bits); err == nil {
			if why, ok = n.why[p]; ok {
				return why, true
			}
		}
	}
	return "", false
}

// load reads all that policies ask.
func (s *Store) load(ctx context.Context) error {
	authors, err := s.loadAuthors(ctx)
	if err != nil {
		return err
	}
	events, err := s.loadRulings(ctx)
	if err != nil {
		return err
	}
	addresses, err := s.loadAddresses(ctx)
	if err != nil {
		return err
	}
	kinds, err := s.loadKinds(ctx)
	if err != nil {
		return err
	}
	settings, err := s.loadSettings(ctx)
	if err != nil {
		return err
	}
	s.memory.authors.replace(authors)
	s.memory.events.replace(events)
	s.memory.addresses.Store(newNetworks(addresses))
	s.memory.kinds.Store(&kinds)
	s.memory.settings.Store(&settings)
	return nil
}
