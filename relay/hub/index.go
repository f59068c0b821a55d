// Package hub finds the live subscriptions an event matches, and joins their
// stored events to their live ones. It is a data structure: it starts no
// goroutine and never blocks on a connection. What is delivered, P, is the
// caller's: the hub hands it on and does not look at it.
package hub

import (
	"sync"

	"moa/nips/event"
	"moa/store"
)

// Index is the set of open subscriptions. The zero Index is empty and ready.
//
// How it works:
//
//  1. Each filter is taken apart (see compile): its narrowest field becomes
//     the handle, its kinds a set, the time window goes to the subscription,
//     and what remains is the rest.
//  2. Filters that differ in nothing but the time window share one entry.
//  3. The entry is listed under every value of its handle, there together with
//     the others that ask for the same kinds.
//  4. An event is looked up by its id, its author, each of its tags, every region
//     that the geohash of a tag may be in, and its kind. Lists whose kinds do not
//     fit are skipped; only the entries in the others are asked for their rest.
//
// To spread the work over several goroutines, use one Index for each and give
// every connection to one of them.
type Index[P any] struct {
	// delivering is held for a whole Deliver: all subscriptions see events in
	// the same order. Add and Remove do without.
	delivering sync.Mutex
	hits       []*Sub[P] // of the Deliver under way
	event      tagged    // the same

	mu       sync.Mutex // guards the following; held to look up, never to deliver
	ids      table[event.ID]
	authors  table[event.PubKey]
	tags     table[tagValue]
	kinds    table[uint16]
	all      table[struct{}]
	kindSets kindSets
	entries  numbered[*entry[P]]
	byKey    shrinking[key, uint32]
	epoch    epoch
	subs     int
}

// entry is one distinct filter, whatever its time window.
type entry[P any] struct {
	key     key
	by      handle
	kinds   *kindSet      // nil: any, or the handle
	rest    *event.Filter // nil: nothing
	nodes   []uint32      // where it is listed, in the table of its handle
	seen    epoch
	members []member[P]
}

// member is one subscription that asks for an entry.
type member[P any] struct {
	sub          *Sub[P]
	since, until int64  // inclusive, Unix seconds
	nth          uint32 // of sub.memberships
}

// Stats are an Index's figures.
type Stats struct {
	Subs    int
	Filters int // distinct ones, time windows aside
}

// Stats returns the figures of now.
func (x *Index[P]) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	return Stats{Subs: x.subs, Filters: len(x.byKey.m)}
}

// Add makes s receive what is delivered from now on and any of the filters matches.
// Their limits do not matter here; a filter that searches (NIP-50) matches nothing
// live. A Sub is added once.
func (x *Index[P]) Add(s *Sub[P], filters []*event.Filter) {
	parts := make([]compiled, 0, len(filters))
	for _, f := range filters {
		if !f.Never() && f.Search == "" {
			parts = append(parts, compile(f))
		}
	}
	x.mu.Lock()
	s.memberships = make([]membership, 0, len(parts))
	x.subs++
	x.mu.Unlock()
	for i := range parts { // a Deliver goes between two of many filters of many values
		x.mu.Lock()
		x.joinLocked(s, &parts[i])
		x.mu.Unlock()
	}
}

// Remove ends s: when it returns, its Sink is not called any more. It does nothing
// for a Sub that is not there.
func (x *Index[P]) Remove(s *Sub[P]) {
	for x.leave(s) {
	}
	s.end()
}

// leave takes one of its filters out. False: none was left.
func (x *Index[P]) leave(s *Sub[P]) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	last := len(s.memberships) - 1
	if last < 0 {
		if s.memberships != nil {
			x.subs--
		}
		s.memberships = nil
		return false
	}
	x.leaveLocked(s.memberships[last])
	s.memberships = s.memberships[:last]
	return true
}

func (x *Index[P]) joinLocked(s *Sub[P], c *compiled) {
	n, ok := x.byKey.m[c.key]
	if !ok {
		n = x.newEntryLocked(c)
	}
	en := x.entries.list[n]
	s.memberships = append(s.memberships, membership{entry: n, nth: uint32(len(en.members))})
	since, until := c.window()
	en.members = append(en.members, member[P]{s, since, until, uint32(len(s.memberships) - 1)})
}

func (x *Index[P]) leaveLocked(p membership) {
	en := x.entries.list[p.entry]
	last := len(en.members) - 1
	moved := en.members[last]
	en.members[p.nth] = moved
	moved.sub.memberships[moved.nth].nth = p.nth
	en.members[last] = member[P]{}
	en.members = fitting(en.members[:last])
	if last == 0 {
		x.dropEntryLocked(p.entry)
	}
}

func (x *Index[P]) newEntryLocked(c *compiled) uint32 {
	en := &entry[P]{key: c.key, by: c.by, rest: c.rest}
	n := x.entries.take(en)
	if c.by != byKind {
		en.kinds = x.kindSets.take(c.Kinds)
	}
	switch c.by {
	case byID:
		en.nodes = x.ids.list(n, en.kinds, c.IDs)
	case byAuthor:
		en.nodes = x.authors.list(n, en.kinds, c.Authors)
	case byTag:
		en.nodes = x.tags.list(n, en.kinds, c.tagValues())
	case byKind:
		en.nodes = x.kinds.list(n, en.kinds, c.Kinds)
	case byNothing:
		en.nodes = x.all.list(n, en.kinds, []struct{}{{}})
	}
	x.byKey.put(c.key, n)
	return n
}

func (x *Index[P]) dropEntryLocked(n uint32) {
	en := x.entries.list[n]
	if x.byKey.drop(en.key) {
		x.entries.trim()
	}
	x.entries.drop(n)
	switch en.by {
	case byID:
		unlist(x, &x.ids, n, en)
	case byAuthor:
		unlist(x, &x.authors, n, en)
	case byTag:
		unlist(x, &x.tags, n, en)
	case byKind:
		unlist(x, &x.kinds, n, en)
	case byNothing:
		unlist(x, &x.all, n, en)
	}
	x.kindSets.release(en.kinds)
}

// unlist takes entry n, which is no longer in the list, out of its table.
func unlist[V comparable, P any](x *Index[P], t *table[V], n uint32, en *entry[P]) {
	if !t.unlist(n, en.kinds, en.nodes) {
		return
	}
	t.renumber(func(yield func([]uint32) bool) {
		for _, other := range x.entries.list {
			if other != nil && other.by == en.by && !yield(other.nodes) {
				return
			}
		}
	})
}

// Deliver delivers payload, which is e's, to every matching subscription, once to
// each, and says how many took it. n is 0 for an event that is not stored.
func (x *Index[P]) Deliver(n store.Serial, e *event.Event, payload P) (matched int) {
	x.delivering.Lock()
	defer x.delivering.Unlock()
	x.event = tagged{Event: e}
	x.mu.Lock()
	x.findLocked(e)
	x.mu.Unlock()
	x.event = tagged{}
	for _, s := range x.hits {
		if s.deliver(n, e, payload) {
			matched++
		}
	}
	clear(x.hits)
	x.hits = x.hits[:0]
	const most = 64 << 10 // the memory of a burst should not stay
	if cap(x.hits) > most {
		x.hits = nil
	}
	return matched
}

// findLocked puts the subscriptions that match into x.hits.
func (x *Index[P]) findLocked(e *event.Event) {
	x.epoch++
	x.askLocked(x.ids.find(e.ID), e)
	x.askLocked(x.authors.find(e.PubKey), e)
	if len(x.tags.at.m) > 0 {
		for _, t := range e.Tags {
			if len(t) > 1 && len(t[0]) == 1 {
				x.askLocked(x.tags.find(tagValue{name: t[0][0], value: t[1]}), e)
				if hash, ok := event.Cell(t[0][0], t[1]); ok {
					x.askRegionsLocked(t[0][0], hash, e)
				}
			}
		}
	}
	x.askLocked(x.kinds.find(e.Kind), e)
	x.askLocked(x.all.find(struct{}{}), e)
}

// askRegionsLocked asks the entries that want a region, in tags of that name,
// that holds the geohash.
func (x *Index[P]) askRegionsLocked(name byte, hash string, e *event.Event) {
	for n := range len(hash) {
		x.askLocked(x.tags.find(tagValue{name: name, region: true, value: hash[:n+1]}), e)
	}
}

func (x *Index[P]) askLocked(groups []group, e *event.Event) {
	for i := range groups {
		if !groups[i].kinds.has(e.Kind) {
			continue
		}
		for _, n := range groups[i].entries {
			en := x.entries.list[n]
			if en.seen == x.epoch {
				continue
			}
			en.seen = x.epoch
			if en.rest == nil || x.event.matches(en.rest) {
				x.hitLocked(en.members, e.CreatedAt)
			}
		}
	}
}

func (x *Index[P]) hitLocked(members []member[P], createdAt int64) {
	for i := range members {
		m := &members[i]
		if m.since <= createdAt && createdAt <= m.until && m.sub.seen != x.epoch {
			m.sub.seen = x.epoch
			x.hits = append(x.hits, m.sub)
		}
	}
}
