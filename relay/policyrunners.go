package relay

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"moa/policy"
)

const (
	// loadTime is how long a new chain may take to read its lists before it is
	// in force without them.
	loadTime = 30 * time.Second
	// drainTime is how long questions to the old chain may take before its
	// background work is ended nonetheless.
	drainTime = 30 * time.Second
)

// chainRunner runs the background work of policies: a Runner works from the
// first chain that has it to the last, in however many in a row it is.
type chainRunner struct {
	mu    sync.Mutex // guards the following
	ctx   context.Context
	tasks *tasks
	log   *slog.Logger
	runs  []run
}

// run is a Runner at work.
type run struct {
	policy.Runner
	stop context.CancelFunc
}

// start gives the runner what it needs; before it, nothing works.
func (c *chainRunner) start(ctx context.Context, t *tasks, log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx, c.tasks, c.log = ctx, t, log
}

// begin lets what is new in the chain work.
func (c *chainRunner) begin(chain *policy.Chain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil || c.ctx.Err() != nil {
		return
	}
	for name, r := range chain.Runners() {
		if slices.ContainsFunc(c.runs, func(old run) bool { return same(old.Runner, r) }) {
			continue
		}
		ctx, stop := context.WithCancel(c.ctx)
		c.runs = append(c.runs, run{r, stop})
		c.tasks.Go("policy", func() {
			err := policy.Safely(func() error { return r.Run(ctx) })
			if err != nil && ctx.Err() == nil {
				c.log.Error("a policy has stopped working", "policy", name, "err", err, policy.Stack(err))
			}
		})
	}
}

// load is begin, and waits for what the chain must read first.
func (c *chainRunner) load(chain *policy.Chain) {
	c.begin(chain)
	c.mu.Lock()
	ctx, log := c.ctx, c.log
	c.mu.Unlock()
	if ctx == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	if missing := chain.Loaded(ctx); missing != nil {
		log.Warn("policies take force before they are ready", "policies", missing, "waited", loadTime)
	}
}

// outgrows reports that Runners are at work that the chain does not have.
func (c *chainRunner) outgrows(chain *policy.Chain) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.runs, func(at run) bool { return !has(chain, at.Runner) })
}

// end ends the work of the Runners that the chain does not have.
func (c *chainRunner) end(chain *policy.Chain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs = slices.DeleteFunc(c.runs, func(at run) bool {
		if has(chain, at.Runner) {
			return false
		}
		at.stop()
		return true
	})
}

func has(chain *policy.Chain, r policy.Runner) bool {
	for _, mine := range chain.Runners() {
		if same(mine, r) {
			return true
		}
	}
	return false
}

// same reports one and the same Runner. One that cannot be compared is always
// another.
func same(a, b policy.Runner) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
