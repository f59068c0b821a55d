package ws

import (
	"context"
	"sync"
	"time"
)

// Keeper pings connections and cuts the dead ones: each gets a ping every
// Every, and is cut if from one ping to the next it has not sent a byte nor
// taken any of those under way to it. Options.Keeper names it, its owner runs
// Run. The zero Keeper is ready.
type Keeper struct {
	Every time.Duration // 0: 60 s

	mu    sync.Mutex
	wheel [spokes][]*Conn // visited one spoke a tick, so that pings are spread
	next  int             // the spoke to be visited next
}

const spokes = 64

// keeping is what a Keeper knows of a connection.
type keeping struct {
	spoke, place int32 // guarded by Keeper.mu; place is 1 more than the index, 0: not there
	// Owned by Run: what the last visit saw.
	pinged  bool
	waiting uint32 // bytes under way to the peer
	taken   int64  // bytes that its system has acknowledged
}

// add gives c the spoke that is visited last, a full turn of the wheel from now.
func (k *Keeper) add(c *Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	spoke := (k.next + spokes - 1) % spokes
	k.wheel[spoke] = append(k.wheel[spoke], c)
	c.kept.spoke, c.kept.place = int32(spoke), int32(len(k.wheel[spoke]))
}

func (k *Keeper) remove(c *Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := int(c.kept.place) - 1
	if at < 0 {
		return
	}
	list := k.wheel[c.kept.spoke]
	last := len(list) - 1
	list[at] = list[last]
	list[at].kept.place = int32(at + 1)
	list[last] = nil
	k.wheel[c.kept.spoke] = list[:last]
	c.kept.place = 0
}

// Len is how many connections there are.
func (k *Keeper) Len() (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, list := range k.wheel {
		n += len(list)
	}
	return n
}

// Run works until ctx is done.
func (k *Keeper) Run(ctx context.Context) {
	every := k.Every
	if every <= 0 {
		every = time.Minute
	}
	tick := time.NewTicker(max(every/spokes, time.Millisecond))
	defer tick.Stop()
	var due []*Conn
	var pings sync.WaitGroup
	defer pings.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		k.mu.Lock()
		due = append(due[:0], k.wheel[k.next]...)
		k.next = (k.next + 1) % spokes
		k.mu.Unlock()
		for _, c := range due {
			k.visit(c, &pings)
		}
		clear(due)
	}
}

func (k *Keeper) visit(c *Conn, pings *sync.WaitGroup) {
	moved := c.progress()
	if !c.heard.Swap(false) && c.kept.pinged && !moved {
		c.dead.Store(true)
		c.CloseNow()
		return
	}
	c.kept.pinged = true
	c.putPing()
	if c.raw != nil {
		_ = c.sendControl() // does not wait; the reader finds out what is wrong
		return
	}
	pings.Go(func() { _ = c.sendControl() })
}

// progress reports whether the peer has taken some of what was under way to it
// when it was asked last: a slow one may have its pong still before it. What
// was sent since does not count, or our own ping would.
func (c *Conn) progress() bool {
	raw := c.raw
	if raw == nil {
		if raw = rawConn(c.socket()); raw == nil {
			return false
		}
	}
	before := c.kept
	written := c.written.Load() // first: what is written now only seems to be under way
	c.kept.waiting = unacknowledged(raw)
	c.kept.taken = written - int64(c.kept.waiting)
	return before.waiting > 0 && c.kept.taken > before.taken
}
