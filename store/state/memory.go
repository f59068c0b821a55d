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
	hidden    atomic.Int64 // until when something is hidden, Unix seconds; 0: nothing is
	addresses atomic.Pointer[networks]
	kinds     atomic.Pointer[map[uint16]bool]
	settings  atomic.Pointer[map[string]string]
	members   shards[event.PubKey, Member]
	count     atomic.Int64  // of members
	joins     atomic.Uint64 // of members and their roles: see MembersGeneration
	roles     atomic.Pointer[map[string]Role]
	waiting   waiting
}

// reckonHidden follows a change of authors or events.
func (m *memory) reckonHidden() { m.hidden.Store(max(m.authors.hides(), m.events.hides())) }

// hiding is what hides something until a time.
type hiding interface{ hides() int64 }

// shards is a map in parts, of which a change copies one.
type shards[K ~[32]byte, V hiding] struct {
	parts [256]atomic.Pointer[part[K, V]]
}

type part[K ~[32]byte, V hiding] struct {
	all   map[K]V
	until int64 // the latest that something of it hides
}

func newPart[K ~[32]byte, V hiding](all map[K]V) *part[K, V] {
	p := &part[K, V]{all: all}
	for _, v := range all {
		p.until = max(p.until, v.hides())
	}
	return p
}

func (s *shards[K, V]) get(k K) (v V, ok bool) {
	if p := s.parts[k[0]].Load(); p != nil {
		v, ok = p.all[k]
	}
	return v, ok
}

// hides is the latest time until which something of it hides.
func (s *shards[K, V]) hides() (until int64) {
	for i := range s.parts {
		if p := s.parts[i].Load(); p != nil {
			until = max(until, p.until)
		}
	}
	return until
}

// change has f replace what is known of k; false: nothing is.
func (s *shards[K, V]) change(k K, f func(V) (V, bool)) {
	next := map[K]V{}
	if p := s.parts[k[0]].Load(); p != nil {
		next = maps.Clone(p.all)
	}
	if v, ok := f(next[k]); ok {
		next[k] = v
	} else {
		delete(next, k)
	}
	s.parts[k[0]].Store(newPart(next))
}

// replace takes over all of a map.
func (s *shards[K, V]) replace(all map[K]V) {
	var parts [len(s.parts)]map[K]V
	for k, v := range all {
		if parts[k[0]] == nil {
			parts[k[0]] = map[K]V{}
		}
		parts[k[0]][k] = v
	}
	for i, all := range parts {
		if all == nil {
			s.parts[i].Store(nil)
			continue
		}
		s.parts[i].Store(newPart(all))
	}
}

func (s *shards[K, V]) all() map[K]V {
	all := map[K]V{}
	for i := range s.parts {
		if p := s.parts[i].Load(); p != nil {
			maps.Copy(all, p.all)
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

// Hides reports that anything is hidden at that time. It takes no lock.
func (s *Store) Hides(now int64) bool { return s.memory.hidden.Load() > now }

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
	members, err := s.loadMembers(ctx)
	if err != nil {
		return err
	}
	roles, err := s.loadRoles(ctx)
	if err != nil {
		return err
	}
	waiting, err := s.loadWaiting(ctx)
	if err != nil {
		return err
	}
	s.memory.authors.replace(authors)
	s.memory.events.replace(events)
	s.memory.reckonHidden()
	s.memory.addresses.Store(newNetworks(addresses))
	s.memory.kinds.Store(&kinds)
	s.memory.settings.Store(&settings)
	s.memory.members.replace(members)
	s.memory.count.Store(int64(len(members)))
	s.memory.joins.Add(1)
	s.memory.roles.Store(&roles)
	s.memory.waiting.replace(waiting)
	return nil
}
