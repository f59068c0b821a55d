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
	t.begin(name)
	t.leg(name, func() {
		defer t.end(name)
		f()
	})
}

// begin counts a task that runs in several legs, each on a goroutine of its
// own, with or without a pause between them; the last of them calls end.
func (t *tasks) begin(name string) {
	t.wg.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running == nil {
		t.running = map[string]int{}
	}
	t.running[name]++
}

// leg runs f for a task that has begun.
func (t *tasks) leg(name string, f func()) {
	labels := t.labelsOf(name)
	go func() {
		pprof.SetGoroutineLabels(labels)
		f()
	}()
}

func (t *tasks) end(name string) {
	t.mu.Lock()
	t.running[name]--
	t.mu.Unlock()
	t.wg.Done()
}

func (t *tasks) labelsOf(name string) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.labels == nil {
		t.labels = map[string]context.Context{}
	}
	if t.labels[name] == nil {
		t.labels[name] = pprof.WithLabels(context.Background(), pprof.Labels("task", name))
	}
	return t.labels[name]
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
