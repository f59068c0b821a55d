package relay

import (
	"context"
	"fmt"
	"maps"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"
)

// tasks is the group that every goroutine of the relay belongs to. The zero
// tasks is ready.
type tasks struct {
	wg sync.WaitGroup

	mu    sync.Mutex // guards the following
	named map[string]*task
}

// task is all goroutines of one name.
type task struct {
	running int             // guarded by tasks.mu
	labels  context.Context // that profiles show
}

// Go runs f under a name that profiles and the shutdown log show.
func (t *tasks) Go(name string, f func()) {
	task := t.begin(name)
	go func() {
		defer t.end(name)
		pprof.SetGoroutineLabels(task.labels)
		f()
	}()
}

// begin counts a task that runs in several legs, each on a goroutine of its
// own, with or without a pause between them; the last of them calls end.
func (t *tasks) begin(name string) *task {
	t.wg.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	task := t.taskLocked(name)
	task.running++
	return task
}

// leg runs f for a task that has begun.
func (t *tasks) leg(name string, f func()) {
	t.mu.Lock()
	labels := t.taskLocked(name).labels
	t.mu.Unlock()
	go func() {
		pprof.SetGoroutineLabels(labels)
		f()
	}()
}

func (t *tasks) end(name string) {
	t.mu.Lock()
	t.taskLocked(name).running--
	t.mu.Unlock()
	t.wg.Done()
}

func (t *tasks) taskLocked(name string) *task {
	one := t.named[name]
	if one == nil {
		if t.named == nil {
			t.named = map[string]*task{}
		}
		one = &task{labels: pprof.WithLabels(context.Background(), pprof.Labels("task", name))}
		t.named[name] = one
	}
	return one
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
	for _, name := range slices.Sorted(maps.Keys(t.named)) {
		if n := t.named[name].running; n > 0 {
			list = append(list, fmt.Sprintf("%s %d", name, n))
		}
	}
	return strings.Join(list, ", ")
}

// pause reports whether d has passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
