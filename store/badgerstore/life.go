package badgerstore

import (
	"sync"
	"sync/atomic"

	"moa/store"
)

// life counts the callers that use the store, so that files are closed and memory is
// unmapped only when none is left of those that began before.
type life struct {
	// A caller holds the gate whose turn it was when it began.
	gates  [2]sync.RWMutex
	turn   atomic.Uint32
	closed atomic.Bool
	one    sync.Mutex // drains at a time
}

// begin keeps the store open until what it returns is unlocked for reading.
func (l *life) begin() (*sync.RWMutex, error) {
	for {
		turn := l.turn.Load()
		gate := &l.gates[turn]
		gate.RLock()
		switch {
		case l.turn.Load() != turn: // the next drain does not wait for this gate
			gate.RUnlock()
		case l.closed.Load():
			gate.RUnlock()
			return nil, store.ErrClosed
		default:
			return gate, nil
		}
	}
}

// drain waits for all callers that began before, and holds up none that begins.
func (l *life) drain() {
	l.one.Lock()
	defer l.one.Unlock()
	turn := l.turn.Load()
	l.turn.Store(1 - turn)
	l.gates[turn].Lock()
	l.gates[turn].Unlock() //nolint:staticcheck // it was to be waited for
}

// end lets no caller begin any more, and waits for all that have begun.
func (l *life) end() {
	l.closed.Store(true)
	l.drain()
}
