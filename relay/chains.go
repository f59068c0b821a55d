package relay

import (
	"context"
	"log/slog"
	"sync"

	"moa/policy"
)

// chainRunner runs the background work of the chain in force, and ends it when
// another takes its place.
type chainRunner struct {
	mu      sync.Mutex // guards the following
	ctx     context.Context
	tasks   *tasks
	log     *slog.Logger
	current *policy.Chain
	stop    context.CancelFunc
}

// start gives the runner what it needs; before it, run does nothing.
func (c *chainRunner) start(ctx context.Context, t *tasks, log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx, c.tasks, c.log = ctx, t, log
}

// run lets chain work instead of the one before. The same chain goes on.
func (c *chainRunner) run(chain *policy.Chain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil || chain == c.current {
		return
	}
	if c.stop != nil {
		c.stop()
	}
	ctx, stop := context.WithCancel(c.ctx)
	c.current, c.stop = chain, stop
	c.tasks.Go("policies", func() {
		if err := chain.Run(ctx); err != nil {
			c.log.Error("a policy has stopped working", "err", err)
		}
	})
}
