package policy

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"moa/nips/event"
)

// Run runs the policies that are Runners until ctx ends and returns when all of
// them have; it returns at once if there are none. The chain may be asked
// before, meanwhile and after. It is called at most once.
func (c *Chain) Run(ctx context.Context) error {
	if c == nil {
		return nil
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex // guards the following
		errs []error
	)
	run := func(name string, what any) {
		r, ok := what.(Runner)
		if !ok {
			return
		}
		wg.Go(func() {
			if err := r.Run(ctx); err != nil && ctx.Err() == nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("policy %s: %w", name, err))
			}
		})
	}
	for _, n := range c.links {
		run(n.Name, n.Policy)
		run(n.Name, n.Only)
		run(n.Name, n.Unless)
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Explain returns what each policy says of an event whose signature holds,
// in order; it reports nothing. Those that keep count do count it.
func (c *Chain) Explain(ctx context.Context, cl Client, e *event.Event) []Decision {
	var all []Decision
	for i := range c.Links() {
		n := &c.links[i]
		d := Decision{By: n.Name}
		if n.concerns(cl, e) {
			d.Verdict = n.Policy.Event(ctx, cl, e)
		}
		all = append(all, d)
	}
	return all
}
