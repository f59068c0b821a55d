package policy

import (
	"context"
	"slices"

	"moa/nips/event"
	"moa/nips/relayurl"
)

// hooks are a chain's policies with the add-on interfaces of hooks.go. Only
// those that give a verdict heed the mode.
type hooks struct {
	rewriters []rewriteLink
	counts    []countLink
	lives     []liveLink
	observers []observeLink
	hiders    []hideLink
	involving []involvingLink
	approvals []approvalLink
	waiting   []waitingLink
	subIDs    bool
}

type rewriteLink struct {
	*Named
	policy Rewriter
}

type observeLink struct {
	*Named
	policy Observer
}

type hideLink struct {
	*Named
	policy Hider
}

type countLink struct {
	*Named
	policy CountPolicy
}

type liveLink struct {
	*Named
	policy LivePolicy
}

type involvingLink struct {
	*Named
	kinds []uint16 // sorted, each once
}

func (h *hooks) add(n *Named) {
	if p, ok := n.Policy.(Rewriter); ok && n.Mode == Enforce {
		h.rewriters = append(h.rewriters, rewriteLink{n, p})
	}
	if p, ok := n.Policy.(CountPolicy); ok {
		h.counts = append(h.counts, countLink{n, p})
	}
	if p, ok := n.Policy.(LivePolicy); ok {
		h.lives = append(h.lives, liveLink{n, p})
	}
	for _, what := range []any{n.Policy, n.Only, n.Unless} {
		if p, ok := what.(Observer); ok {
			h.observers = append(h.observers, observeLink{n, p})
		}
	}
	if p, ok := n.Policy.(Hider); ok && n.Mode == Enforce {
		h.hiders = append(h.hiders, hideLink{n, p})
	}
	if p, ok := n.Policy.(Involving); ok && n.Mode == Enforce {
		kinds := slices.Clone(p.InvolvedKinds())
		slices.Sort(kinds)
		h.involving = append(h.involving, involvingLink{n, slices.Compact(kinds)})
	}
	if p, ok := n.Policy.(ApprovalPolicy); ok {
		h.approvals = append(h.approvals, approvalLink{n, p})
	}
	if p, ok := n.Policy.(WaitingPolicy); ok {
		h.waiting = append(h.waiting, waitingLink{n, p})
	}
	if p, ok := n.Policy.(SubIDPolicy); ok && p.WantsSubID() {
		h.subIDs = true
	}
}

// OwnHost reports a host that a policy knows to be the relay's own.
func (c *Chain) OwnHost(host string) bool {
	return slices.ContainsFunc(c.Links(), func(n Named) bool {
		p, ok := n.Policy.(AddressPolicy)
		return ok && p.OwnHost(host)
	})
}

// OwnPath reports a path at which a policy makes another relay of the one at the
// host. An observed policy makes none.
func (c *Chain) OwnPath(host, path string) bool {
	return slices.ContainsFunc(c.Links(), func(n Named) bool {
		p, ok := n.Policy.(AddressPolicy)
		return ok && n.Mode == Enforce && p.OwnPath(host, path)
	})
}

// Own reports a URL of the relay whose URL is at: that itself, or one by which a
// policy leads there too.
func (c *Chain) Own(at, l relayurl.Location) bool {
	if l.Host != at.Host && (l.Port() != at.Port() || !c.OwnHost(l.Name())) {
		return false
	}
	return l.Path == "" || c.OwnPath(l.Name(), l.Path)
}

// WantsSubID reports that filters must be asked about with WithSubID.
func (c *Chain) WantsSubID() bool { return c != nil && c.hooks.subIDs }

// Rewrite returns the filter that is to be asked about and answered instead of
// f, in most cases f itself. It refuses where a policy has panicked.
func (c *Chain) Rewrite(ctx context.Context, cl Client, f *event.Filter) (*event.Filter, Decision) {
	if c == nil {
		return f, Decision{}
	}
	for i := range c.hooks.rewriters {
		l := &c.hooks.rewriters[i]
		to, v := l.rewrite(ctx, cl, f)
		if v.Action != Accept {
			return f, Decision{v, l.Name}
		}
		f = to
	}
	return f, Decision{}
}

// Count asks what a COUNT needs besides Filter.
func (c *Chain) Count(ctx context.Context, cl Client, f *event.Filter) Decision {
	if c == nil {
		return Decision{}
	}
	for i := range c.hooks.counts {
		l := &c.hooks.counts[i]
		if !l.concerns(cl, nil) {
			continue
		}
		if v := l.count(ctx, cl, f); v.Action == Reject && c.enforced(l.Named, AtFilter, v) {
			return Decision{v, l.Name}
		}
	}
	return Decision{}
}

// Hides reports that Hidden must be asked about whatever is read.
func (c *Chain) Hides() bool {
	if c == nil {
		return false
	}
	for i := range c.hooks.hiders {
		if c.hooks.hiders[i].hides() {
			return true
		}
	}
	return false
}

// Hidden reports an event that nobody may see. Deliver asks it too.
func (c *Chain) Hidden(id event.ID, author event.PubKey) bool {
	if c == nil {
		return false
	}
	for i := range c.hooks.hiders {
		if c.hooks.hiders[i].hidden(id, author) {
			return true
		}
	}
	return false
}

// Involved returns the kinds of which the client sees only what it is involved
// in, sorted and not to be changed: Deliver withholds the others'.
func (c *Chain) Involved(cl Client) (kinds []uint16) {
	if c == nil {
		return nil
	}
	for i := range c.hooks.involving {
		switch l := &c.hooks.involving[i]; {
		case !l.concerns(cl, nil):
		case kinds == nil:
			kinds = l.kinds
		default:
			kinds = slices.Concat(kinds, l.kinds)
			slices.Sort(kinds)
			kinds = slices.Compact(kinds)
		}
	}
	return kinds
}

// WatchesLive reports that Live must be asked about live events.
func (c *Chain) WatchesLive() bool { return c != nil && len(c.hooks.lives) > 0 }

// Live asks what a live event needs besides Deliver.
func (c *Chain) Live(cl Client, e *event.Event) bool {
	if c == nil {
		return true
	}
	for i := range c.hooks.lives {
		l := &c.hooks.lives[i]
		if l.concerns(cl, nil) && !l.live(cl, e) && c.enforced(l.Named, AtDelivery, Verdict{Action: Reject}) {
			return false
		}
	}
	return true
}

// Authenticated tells the Observers of a successful AUTH.
func (c *Chain) Authenticated(cl Client) {
	if c == nil {
		return
	}
	for i := range c.hooks.observers {
		c.hooks.observers[i].authenticated(cl)
	}
}

// Saved tells the Observers of an event that was stored or, if it is
// ephemeral, accepted.
func (c *Chain) Saved(cl Client, e *event.Event) {
	if c == nil {
		return
	}
	for i := range c.hooks.observers {
		c.hooks.observers[i].saved(cl, e)
	}
}
