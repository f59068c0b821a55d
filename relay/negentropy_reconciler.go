package relay

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"moa/relay/outbox"
)

// reconciler is what the reconciliations of all connections share. They have
// workers of their own, for they read far more than a REQ or a COUNT does.
type reconciler struct {
	workers *scheduler

	mu   sync.Mutex // guards the following
	open map[*syncs]struct{}
}

func newReconciler(w *outbox.Writers) *reconciler {
	return &reconciler{workers: newScheduler(syncLane, w), open: map[*syncs]struct{}{}}
}

// join has a connection's syncs swept, until they leave.
func (a *reconciler) join(b *syncs) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open[b] = struct{}{}
}

func (a *reconciler) leave(b *syncs) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, b)
}

// syncLife is how long a reconciliation may last, in times of what its client
// may be silent: nobody holds events for ever by asking the same again.
const syncLife = 30

// sweep ends reconciliations whose clients are silent for longer than idle, or
// that have lasted for too long, within about a quarter of idle, until ctx ends.
func (a *reconciler) sweep(ctx context.Context, idle func() time.Duration) {
	const often, rarely = 10 * time.Millisecond, 10 * time.Second // so that a reload is noticed
	for pause(ctx, min(max(idle()/4, often), rarely)) {
		now := time.Now()
		before, begun := now.Add(-idle()), now.Add(-syncLife*idle())
		a.mu.Lock()
		all := slices.Collect(maps.Keys(a.open))
		a.mu.Unlock()
		for _, b := range all {
			b.expire(before, begun)
		}
	}
}

// syncIdle is how long a reconciliation may be silent.
func (s *Server) syncIdle() time.Duration { return s.settings.Load().cfg.Sync.Idle }
