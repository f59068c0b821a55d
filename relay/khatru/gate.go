package khatru

import "sync"

// gate keeps a change of a connection's identity and the hooks that may read
// it apart, for khatru's AuthedPublicKey is a plain field. Hooks go first: the
// goroutine that passes live events on may have to enter while another hook of
// the same connection takes its time, and must not wait for a change that waits
// for that one.
type gate struct {
	mu    sync.Mutex // guards the following
	hooks int        // running
	empty *sync.Cond // made by the change that waits for the last of them
}

func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hooks++
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hooks--
	if g.hooks == 0 && g.empty != nil {
		g.empty.Broadcast()
	}
}

// change runs f, which must be short, while no hook does.
func (g *gate) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.empty == nil {
		g.empty = sync.NewCond(&g.mu)
	}
	for g.hooks > 0 {
		g.empty.Wait()
	}
	f()
}
