package policytest

import (
	"net/netip"
	"sync"

	"moa/nips/event"
	"moa/policy"
)

// Decided is a policy.Decided that tests write into. The zero Decided has nothing.
type Decided struct {
	mu         sync.Mutex // guards the following
	authors    map[event.PubKey]policy.AuthorDecision
	events     map[event.ID]policy.EventDecision
	blocked    netip.Prefix
	kinds      map[uint16]bool
	generation uint64
}

// Decide is about an author; the zero AuthorDecision takes back what was decided.
func (d *Decided) Decide(pk event.PubKey, what policy.AuthorDecision) {
	d.change(func() {
		if d.authors == nil {
			d.authors = map[event.PubKey]policy.AuthorDecision{}
		}
		d.authors[pk] = what
	})
}

// Hide bans an author, and hides what the author has written.
func (d *Decided) Hide(pk event.PubKey) {
	d.Decide(pk, policy.AuthorDecision{Until: policy.Forever, Hidden: true})
}

// Rule is about an event; Undecided takes back what was decided.
func (d *Decided) Rule(id event.ID, what policy.EventDecision) {
	d.change(func() {
		if d.events == nil {
			d.events = map[event.ID]policy.EventDecision{}
		}
		d.events[id] = what
	})
}

// Block blocks a network instead of another.
func (d *Decided) Block(p netip.Prefix) { d.change(func() { d.blocked = p }) }

// SetKind allows a kind, or does not.
func (d *Decided) SetKind(kind uint16, allowed bool) {
	d.change(func() {
		if d.kinds == nil {
			d.kinds = map[uint16]bool{}
		}
		d.kinds[kind] = allowed
	})
}

func (d *Decided) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	d.generation++
}

func (d *Decided) Author(pk event.PubKey) policy.AuthorDecision {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.authors[pk]
}

func (d *Decided) Event(id event.ID) policy.EventDecision {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events[id]
}

func (d *Decided) Hides(now int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.authors {
		if a.Erasing || a.Hidden && a.Until > now {
			return true
		}
	}
	for _, e := range d.events {
		if e != policy.Undecided {
			return true
		}
	}
	return false
}

func (d *Decided) Address(ip netip.Addr) (why string, blocked bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return "", d.blocked.Contains(ip)
}

func (d *Decided) Kind(kind uint16) (allowed, decided bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	allowed, decided = d.kinds[kind]
	return allowed, decided
}

func (d *Decided) Generation() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.generation
}
