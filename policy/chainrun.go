package policy

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"moa/nips/event"
)

// Runners are the policies and groups with background work, each with the name
// of its link.
func (c *Chain) Runners() iter.Seq2[string, Runner] {
	return func(yield func(string, Runner) bool) {
		for _, n := range c.Links() {
			for _, what := range []any{n.Policy, n.Only, n.Unless} {
				if r, ok := what.(Runner); ok && !yield(n.Name, r) {
					return
				}
			}
		}
	}
}

// Run runs the policies that are Runners until ctx ends and returns when all of
// them have; it returns at once if there are none. The chain may be asked
// before, meanwhile and after. It is called at most once.
func (c *Chain) Run(ctx context.Context) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex // guards the following
		errs []error
	)
	for name, r := range c.Runners() {
		wg.Go(func() {
			if err := Safely(func() error { return r.Run(ctx) }); err != nil && ctx.Err() == nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("policy %s: %w", name, err))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Loaded waits until the Runners that are Loaders have loaded. If ctx ends
// before, it returns the names of those that have not.
func (c *Chain) Loaded(ctx context.Context) (missing []string) {
	for name, r := range c.Runners() {
		l, ok := r.(Loader)
		if !ok {
			continue
		}
		select {
		case <-l.Loaded():
			continue
		default:
		}
		select {
		case <-l.Loaded():
		case <-ctx.Done():
			missing = append(missing, name)
		}
	}
	return missing
}

// Answer is what one policy of a chain says.
type Answer struct {
	Verdict
	Link  *Named
	Asked bool // false: Only or Unless leave the client and the author out
}

// Explain asks every policy about an event whose signature holds, also those
// behind one that refuses, and returns their answers in the chain's order, and
// what the chain decides by them. It reports nothing. Those that keep count do
// count it.
func (c *Chain) Explain(ctx context.Context, cl Client, e *event.Event) (all []Answer, so Decision) {
	for i := range c.Links() {
		a := Answer{Link: &c.links[i]}
		if a.Asked = a.Link.concerns(cl, e); a.Asked {
			a.Verdict = a.Link.event(ctx, cl, e)
		}
		all = append(all, a)
	}
	for _, late := range []bool{false, true} {
		for _, a := range all {
			if _, isLate := a.Link.Policy.(LatePolicy); isLate != late || a.Action == Accept || a.Link.Mode != Enforce {
				continue
			}
			if a.Action == RelayOnly && so.Action == RelayOnly {
				continue
			}
			d := Decision{a.Verdict, a.Link.Name}
			if a.letsIn() {
				d = joined(so, a.Verdict, a.Link)
			}
			if !d.letsIn() {
				return all, d
			}
			so = d
		}
	}
	return all, so
}

// ExplainFilter is Explain for a filter of a REQ, or of a COUNT, as Rewrite has
// left it. Policies that have no say in filters are not among the answers.
func (c *Chain) ExplainFilter(ctx context.Context, cl Client, f *event.Filter, count bool) (all []Answer, so Decision) {
	ask := func(n *Named, verdict func() Verdict) {
		a := Answer{Link: n}
		if a.Asked = n.concerns(cl, nil); a.Asked {
			a.Verdict = verdict()
		}
		all = append(all, a)
	}
	if c == nil {
		return nil, so
	}
	for _, l := range c.filters {
		ask(l.Named, func() Verdict { return l.filter(ctx, cl, f) })
	}
	if count {
		for _, l := range c.hooks.counts {
			ask(l.Named, func() Verdict { return l.count(ctx, cl, f) })
		}
	}
	return all, firstRefusal(all)
}

// ExplainDelivery is Explain for whether the client may see an event. Policies
// that have no say in events of its kind are not among the answers.
func (c *Chain) ExplainDelivery(cl Client, e *event.Event) (all []Answer, so Decision) {
	if c == nil {
		return nil, so
	}
	v := &View{Event: e}
	for _, l := range c.deliveries {
		if !l.kinds.has(e.Kind) {
			continue
		}
		a := Answer{Link: l.Named, Asked: l.concerns(cl, nil)}
		if a.Asked && !l.deliver(cl, v) {
			a.Action = Reject
		}
		all = append(all, a)
	}
	return all, firstRefusal(all)
}

// firstRefusal is what a chain decides by answers that accept or reject.
func firstRefusal(all []Answer) Decision {
	for _, a := range all {
		if a.Action == Reject && a.Link.Mode == Enforce {
			return Decision{a.Verdict, a.Link.Name}
		}
	}
	return Decision{}
}
