package relay

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// reconciler is what the reconciliations of all connections share. They have
// workers of their own, for they read far more than a REQ or a COUNT does.
type reconciler struct {
	workers *scheduler
	events  atomic.Int64 // held by all

	mu   sync.Mutex // guards the following
	open map[*syncs]struct{}
}

func newReconciler() *reconciler {
	return &reconciler{workers: newScheduler(), open: map[*syncs]struct{}{}}
}

// take counts one event more, if there are not most of them.
func (a *reconciler) take(most int) bool {
	if a.events.Add(1) > int64(most) {
		a.release(1)
		return false
	}
	return true
}

// release gives n of them back.
func (a *reconciler) release(n int) { a.events.Add(-int64(n)) }

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

// sweep ends reconciliations whose clients are silent for longer than idle,
// within about a quarter of that, until ctx ends.
func (a *reconciler) sweep(ctx context.Context, idle func() time.Duration) {
	const often, rarely = 10 * time.Millisecond, 10 * time.Second // so that a reload is noticed
	for pause(ctx, min(max(idle()/4, often), rarely)) {
		before := time.Now().Add(-idle())
		a.mu.Lock()
		all := slices.Collect(maps.Keys(a.open))
		a.mu.Unlock()
		for _, b := range all {
			b.expire(before)
		}
	}
}

// syncIdle is how long a reconciliation may be silent.
func (s *Server) syncIdle() time.Duration { return s.settings.Load().cfg.Sync.Idle }
