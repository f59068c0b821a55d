package policy

import (
	"reflect"

	"moa/nips/event"
)

// rights are a chain's policies that decide which clients may read, and what they
// depend on.
type rights struct {
	links    []rightLink
	once     []*Named // with a FilterPolicy that is asked only when a filter comes
	changing []changingLink
}

type rightLink struct {
	*Named
	policy RightPolicy
}

// changingLink is a link whose policy, or one of whose groups, may change.
type changingLink struct {
	*Named
	what Changing
}

func (r *rights) add(n *Named, p FilterPolicy) {
	right, ok := p.(RightPolicy)
	if !ok {
		r.once = append(r.once, n)
		return
	}
	r.links = append(r.links, rightLink{n, right})
	r.watch(n)
}

// watch takes into account what the link's answers depend on; twice does no harm.
func (r *rights) watch(n *Named) {
	for _, what := range []any{n.Policy, n.Only, n.Unless} {
		if p, ok := what.(Changing); ok {
			r.changing = append(r.changing, changingLink{n, p})
		}
	}
}

// Version grows with each change of what the chain decides about reading.
func (c *Chain) Version() (sum uint64) {
	if c == nil {
		return 0
	}
	for i := range c.rights.changing {
		sum += c.rights.changing[i].version()
	}
	return sum
}

// MayRead asks again what Filter has let in, by the kinds of one filter.
func (c *Chain) MayRead(cl Client, kinds []uint16) Decision {
	if c == nil {
		return Decision{}
	}
	for i := range c.rights.links {
		l := &c.rights.links[i]
		if !l.concerns(cl, nil) {
			continue
		}
		if v := l.mayRead(cl, kinds); v.Action == Reject && c.enforced(l.Named, AtFilter, v) {
			return Decision{v, l.Name}
		}
	}
	return Decision{}
}

// Open reports that the client might see the event if it were stored, whomever the
// event is for: then it is no secret that it is stored.
func (c *Chain) Open(cl Client, e *event.Event) bool {
	if c == nil {
		return true
	}
	if c.RestrictsFor(cl, e.Kind) || c.Hidden(e.ID, e.PubKey) {
		return false
	}
	return c.refusal(cl, []uint16{e.Kind}).Action != Reject
}

// refusal is MayRead where nothing has been asked for: nobody is told of it.
func (c *Chain) refusal(cl Client, kinds []uint16) Verdict {
	for i := range c.rights.links {
		l := &c.rights.links[i]
		if l.Mode == Enforce && l.concerns(cl, nil) {
			if v := l.mayRead(cl, kinds); v.Action == Reject {
				return v
			}
		}
	}
	return Verdict{}
}

// AsksMore reports that the chain has a policy which might refuse what the chain
// before has let in, and which cannot be asked again.
func (c *Chain) AsksMore(before *Chain) bool {
	if c == nil {
		return false
	}
	for _, n := range c.rights.once {
		if n.Mode == Enforce && !before.asksOnce(n) {
			return true
		}
	}
	return false
}

func (c *Chain) asksOnce(n *Named) bool {
	if c == nil {
		return false
	}
	for _, old := range c.rights.once {
		if old.Mode == n.Mode && same(old.Policy, n.Policy) && same(old.Only, n.Only) && same(old.Unless, n.Unless) {
			return true
		}
	}
	return false
}

// same reports one and the same thing. What cannot be compared is always another.
func same(a, b any) bool {
	return a == nil && b == nil ||
		a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
