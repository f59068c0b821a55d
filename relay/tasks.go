package relay

import (
	"context"
	"fmt"
	"maps"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
)

// tasks is the group that every goroutine of the relay belongs to, but for a
// connection's writer, which its session awaits. The zero tasks is ready.
type tasks struct {
	wg sync.WaitGroup

	mu      sync.Mutex // guards the following
	running map[string]int
	labels  map[string]context.Context
}

// Go runs f under a name that profiles and the shutdown log show.
func (t *tasks) Go(name string, f func()) {
	labels := t.count(name)
	t.wg.Go(func() {
		defer t.uncount(name)
		pprof.SetGoroutineLabels(labels)
		f()
	})
}

func (t *tasks) count(name string) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running == nil {
		t.running = map[string]int{}
		t.labels = map[string]context.Context{}
	}
	t.running[name]++
	if t.labels[name] == nil {
		t.labels[name] = pprof.WithLabels(context.Background(), pprof.Labels("task", name))
	}
	return t.labels[name]
}

func (t *tasks) uncount(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running[name]--
}

// Wait returns when every task has ended, or with an error that names those
// that have not when ctx ends.
func (t *tasks) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		t.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("relay: still running: %s: %w", t, ctx.Err())
	}
}

// String lists what is running.
func (t *tasks) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for _, name := range slices.Sorted(maps.Keys(t.running)) {
		if n := t.running[name]; n > 0 {
			list = append(list, fmt.Sprintf("%s %d", name, n))
		}
	}
	return strings.Join(list, ", ")
}
