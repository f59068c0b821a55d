package policy

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"moa/nips/event"
	"moa/nips/reason"
)

// Mode says whether a policy's verdicts bite. The zero Mode enforces.
type Mode uint8

const (
	Enforce Mode = iota
	Observe      // what it would have refused is reported, and accepted
)

// ParseMode reads "enforce" or "observe".
func ParseMode(s string) (Mode, error) {
	switch s {
	case "enforce":
		return Enforce, nil
	case "observe":
		return Observe, nil
	}
	return Enforce, fmt.Errorf(`%q is not a mode: want "enforce" or "observe"`, s)
}

func (m Mode) String() string {
	if m == Observe {
		return "observe"
	}
	return "enforce"
}

// Named is a link of a Chain.
type Named struct {
	Name   string // for logs and metrics; unique in its chain
	Mode   Mode
	Policy Policy

	// Only and Unless, if not nil, say whom the policy is asked about: authors of
	// events, and clients that have authenticated. Connections are always asked about.
	Only, Unless Group

	trouble *trouble // nil: not a chain's
}

// Group is a set of people. It may be a Runner and an Observer.
type Group interface {
	Has(pk event.PubKey) bool
}

// ForAll reports whether the policy is enforced, and on everybody.
func (n *Named) ForAll() bool { return n.Mode == Enforce && n.Only == nil && n.Unless == nil }

// Find returns the first policy of a kind that is enforced on everybody, the zero P
// if there is none.
func Find[P any](c *Chain) (none P) {
	for _, n := range c.Links() {
		if p, ok := n.Policy.(P); ok && n.ForAll() {
			return p
		}
	}
	return none
}

// concerns reports whether the policy is asked about what the client does; e
// is nil if that is to read.
func (n *Named) concerns(c Client, e *event.Event) bool {
	return n.Only == nil && n.Unless == nil || n.member(c, e)
}

func involved(g Group, c Client, e *event.Event) bool {
	if e != nil && g.Has(e.PubKey) {
		return true
	}
	for _, pk := range c.Authed() {
		if g.Has(pk) {
			return true
		}
	}
	return false
}

// Stage is where a verdict was given.
type Stage uint8

const (
	AtEvent Stage = iota
	AtFilter
	AtDelivery
	AtConnect
)

func (s Stage) String() string {
	return [...]string{"event", "filter", "delivery", "connect"}[s]
}

// Decision is a chain's verdict and the name of the policy that gave it, ""
// if all accepted.
type Decision struct {
	Verdict
	By string
}

// Report is told of every verdict but Accept, those included that had no effect
// because of n.Mode. It is called from many goroutines and must not block.
type Report func(n *Named, at Stage, v Verdict)

// Chain asks its policies in order. The first that rejects or shadows decides;
// RelayOnly and Wait are kept while those behind it may still refuse. A chain does not
// change once it is made; a nil or zero Chain accepts everything.
type Chain struct {
	links       []Named
	early, late row // of events
	asked       row // of filters, the same links as filters
	filters     []filterLink
	rights      rights
	deliveries  []deliveryLink
	restricted  *kindSet // the kinds some DeliveryPolicy wants to see; nil: none
	conns       []connLink
	hooks       hooks
	decisions   decisions
	report      Report
	panicked    atomic.Pointer[PanicReport]
}

type filterLink struct {
	*tallied
	policy FilterPolicy
}

type deliveryLink struct {
	*Named
	policy DeliveryPolicy
	kinds  *kindSet
	listed []uint16        // the same, sorted; nil: all
	some   AddressDelivery // nil: it looks at clients of all addresses
}

type connLink struct {
	*Named
	policy ConnPolicy
	// refused holds the ids of the connections that an observed policy refused
	// in vain, so that it sees no Disconnect of them.
	refused *sync.Map
}

// NewChain compiles the links in their order. report may be nil.
func NewChain(report Report, links ...Named) *Chain {
	c := &Chain{links: slices.Clone(links), report: report}
	for i := range c.links {
		n := &c.links[i]
		n.trouble = &trouble{chain: c}
		if p, ok := n.Policy.(PanicReporter); ok {
			p.ReportPanics(n.caught)
		}
		if _, ok := n.Policy.(LatePolicy); ok {
			c.late.add(n)
		} else {
			c.early.add(n)
		}
		if p, ok := n.Policy.(FilterPolicy); ok {
			c.filters = append(c.filters, filterLink{c.asked.add(n), p})
			c.rights.add(n, p)
		}
		if p, ok := n.Policy.(DeliveryPolicy); ok {
			c.addDelivery(n, p)
		}
		if p, ok := n.Policy.(ConnPolicy); ok {
			c.conns = append(c.conns, connLink{n, p, new(sync.Map)})
		}
		c.hooks.add(n)
		c.decisions.add(n)
	}
	return c
}

func (c *Chain) addDelivery(n *Named, p DeliveryPolicy) {
	kinds := p.DeliveryKinds()
	if kinds != nil && len(kinds) == 0 {
		return
	}
	set := newKindSet(kinds)
	some, _ := p.(AddressDelivery)
	c.deliveries = append(c.deliveries, deliveryLink{n, p, set, slices.Sorted(slices.Values(kinds)), some})
	c.rights.watch(n)
	if c.restricted == nil {
		c.restricted = new(kindSet)
	}
	c.restricted.addAll(set)
}

// Links are the policies in their order, not to be changed.
func (c *Chain) Links() []Named {
	if c == nil {
		return nil
	}
	return c.links
}

// Early asks the policies that need no checked signature.
func (c *Chain) Early(ctx context.Context, cl Client, e *event.Event) Decision {
	if c == nil {
		return Decision{}
	}
	return c.event(ctx, &c.early, cl, e, Decision{})
}

// Late asks the others, once the signature holds. early is what Early decided,
// an Accept, a RelayOnly or a Wait; the answer takes it into account.
func (c *Chain) Late(ctx context.Context, cl Client, e *event.Event, early Decision) Decision {
	if c == nil {
		return early
	}
	return c.event(ctx, &c.late, cl, e, early)
}

func (c *Chain) event(ctx context.Context, r *row, cl Client, e *event.Event, so Decision) Decision {
	r.came.Add(1)
	for _, n := range r.links {
		if !n.concerns(cl, e) {
			n.passedBy.Add(1)
			continue
		}
		v := n.event(ctx, cl, e)
		if v.Action == Accept {
			continue
		}
		n.spoke.Add(1)
		if !c.enforced(n.Named, AtEvent, v) {
			continue
		}
		if v.Action == RelayOnly && so.Action == RelayOnly {
			continue
		}
		d := Decision{v, n.Name}
		if v.letsIn() {
			d = joined(so, v, n.Named)
		}
		if !d.letsIn() {
			n.decided.Add(1)
			return d
		}
		so = d
	}
	return so
}

// enforced reports a verdict that is not Accept, and whether it counts.
func (c *Chain) enforced(n *Named, at Stage, v Verdict) bool {
	if c.report != nil {
		c.report(n, at, v)
	}
	return n.Mode == Enforce
}

// Filter asks about one filter of a REQ, COUNT or NEG-OPEN.
func (c *Chain) Filter(ctx context.Context, cl Client, f *event.Filter) Decision {
	if c == nil {
		return Decision{}
	}
	c.asked.came.Add(1)
	for i := range c.filters {
		l := &c.filters[i]
		if !l.concerns(cl, nil) {
			l.passedBy.Add(1)
			continue
		}
		v := l.filter(ctx, cl, f)
		if v.Action != Reject {
			continue
		}
		l.spoke.Add(1)
		if c.enforced(l.Named, AtFilter, v) {
			l.decided.Add(1)
			return Decision{v, l.Name}
		}
	}
	return Decision{}
}

// Restricts reports that Deliver must be asked about events of this kind. All
// others may be delivered unseen.
func (c *Chain) Restricts(kind uint16) bool {
	return c != nil && c.restricted != nil && c.restricted.has(kind)
}

// RestrictsFor is Restricts for a client, as long as it is at its address.
func (c *Chain) RestrictsFor(cl Client, kind uint16) bool {
	return c.Restricts(kind) && slices.ContainsFunc(c.deliveries, func(l deliveryLink) bool {
		return l.kinds.has(kind) && (l.some == nil || l.some.Looks(cl))
	})
}

// Withholds reports whether a filter for these kinds, nil for all, could find
// events that the client would see only once it has authenticated. It is decided
// by the filter alone: it tells nothing of what there is.
func (c *Chain) Withholds(cl Client, kinds []uint16) bool {
	if !c.RestrictsAny() || len(cl.Authed()) > 0 {
		return false
	}
	for _, l := range c.deliveries {
		some := l.listed
		if kinds != nil {
			some = slices.DeleteFunc(slices.Clone(l.listed), func(k uint16) bool { return !slices.Contains(kinds, k) })
		}
		if len(some) > 0 && c.refusal(cl, some).Reason == reason.AuthRequired {
			return true
		}
	}
	return false
}

// RestrictsAny reports that Restricts is true of some kind.
func (c *Chain) RestrictsAny() bool { return c != nil && c.restricted != nil }

// RestrictsAnyFor is RestrictsAny for a client, as long as it is at its address.
func (c *Chain) RestrictsAnyFor(cl Client) bool {
	return c != nil && slices.ContainsFunc(c.deliveries, func(l deliveryLink) bool { return l.some == nil || l.some.Looks(cl) })
}

// Deliver reports whether the client may see the event.
func (c *Chain) Deliver(cl Client, e *event.Event) bool {
	if c.Hidden(e.ID, e.PubKey) {
		return false
	}
	if !c.Restricts(e.Kind) {
		return true
	}
	v := views.Get().(*View)
	v.Of(e)
	defer func() { v.Of(nil); views.Put(v) }()
	return c.Shows(cl, v)
}

// Shows is Deliver for an event that is not Hidden and that many clients are
// asked about.
func (c *Chain) Shows(cl Client, e *View) bool {
	if !c.Restricts(e.Kind) {
		return true
	}
	for i := range c.deliveries {
		l := &c.deliveries[i]
		if l.kinds.has(e.Kind) && l.concerns(cl, nil) && !l.deliver(cl, e) && c.enforced(l.Named, AtDelivery, Verdict{Action: Reject}) {
			return false
		}
	}
	return true
}

// Connect asks about a new connection. After an Accept the caller owes this
// very chain one Disconnect, also when another chain is in force by then.
func (c *Chain) Connect(ctx context.Context, cl Client, r *http.Request) Decision {
	if c == nil {
		return Decision{}
	}
	for i := range c.conns {
		l := &c.conns[i]
		v := l.connect(ctx, cl, r)
		if v.Action != Reject {
			continue
		}
		if c.enforced(l.Named, AtConnect, v) {
			c.disconnect(c.conns[:i], cl)
			return Decision{v, l.Name}
		}
		l.refused.Store(cl.ID(), nil)
	}
	return Decision{}
}

// Disconnect ends what an accepted Connect began.
func (c *Chain) Disconnect(cl Client) {
	if c != nil {
		c.disconnect(c.conns, cl)
	}
}

// disconnect tells the links in reverse order, as defers run.
func (c *Chain) disconnect(links []connLink, cl Client) {
	for i := len(links) - 1; i >= 0; i-- {
		if _, refused := links[i].refused.LoadAndDelete(cl.ID()); !refused {
			links[i].disconnect(cl)
		}
	}
}
