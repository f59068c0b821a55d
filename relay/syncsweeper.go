package relay

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// syncSweeper ends the syncs, of all connections, that take too long.
type syncSweeper struct {
	mu   sync.Mutex // guards the following
	open map[expirer]struct{}
}

// expirer is the syncs of one connection.
type expirer interface {
	// expire ends those whose client has been silent since before, or that begun
	// before begun.
	expire(before, begun time.Time)
}

func newSyncSweeper() *syncSweeper { return &syncSweeper{open: map[expirer]struct{}{}} }

// join has a connection's syncs swept, until they leave.
func (a *syncSweeper) join(b expirer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open[b] = struct{}{}
}

func (a *syncSweeper) leave(b expirer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, b)
}

// syncLife is how long a sync may last, in times of what its client
// may be silent: no client holds events by asking the same again and again.
const syncLife = 30

// sweep ends syncs whose clients are silent for longer than idle, or
// that have lasted for too long, within about a quarter of idle, until ctx ends.
func (a *syncSweeper) sweep(ctx context.Context, idle func() time.Duration) {
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
