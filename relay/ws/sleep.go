package ws

import "sync/atomic"

// Waker goes on with a connection that has slept.
type Waker interface {
	// Wake is called when there is something to read or the connection is
	// closing, and now and then for nothing. It must not wait: it starts the
	// goroutine that reads.
	Wake()
}

// sleeping is what lets a connection be without a goroutine.
type sleeping struct {
	waker Waker
	// count is odd while the connection sleeps. The goroutine that makes it even
	// wakes it, and no other does.
	count atomic.Uint32
	fd    int32 // where the Watcher has it; guarded by Watcher.mu
}

// Sleep lets the goroutine that reads end, after a TryRead that has found
// nothing: w.Wake is called once, perhaps before Sleep returns. False: the
// connection cannot be watched. To wait, the caller must Read then.
func (c *Conn) Sleep(w Waker) bool {
	if !c.canSleep() || c.in != nil {
		return false
	}
	c.asleep.waker = w
	n := c.asleep.count.Add(1)
	// A goroutine that closes the connection from here on wakes it.
	if !c.isClosing() && !c.cut.Load() && c.opt.Watcher.watch(c) {
		return true
	}
	return !c.asleep.count.CompareAndSwap(n, n+1)
}

func (c *Conn) canSleep() bool { return c.opt.Watcher != nil && c.raw != nil }

// wake ends the sleep, if there is one.
func (c *Conn) wake() {
	if n := c.asleep.count.Load(); n&1 == 1 && c.asleep.count.CompareAndSwap(n, n+1) {
		c.asleep.waker.Wake()
	}
}

// wakeToClose is wake for a caller that closes the connection.
func (c *Conn) wakeToClose() {
	if c.opt.Watcher != nil {
		c.opt.Watcher.forget(c)
		c.wake()
	}
}
