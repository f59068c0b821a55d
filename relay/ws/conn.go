package ws

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is one connection. One goroutine calls Read, TryRead, Ready and
// Sleep; everything else
// is safe for concurrent use. Read until it fails, then call CloseNow.
type Conn struct {
	// What a Write touches stands together: where many connections are written
	// to in turn, it is fetching their memory that takes the time.

	// writing is held for one chunk after the other, never while waiting for
	// anything but the peer, and that under a deadline.
	writing  sync.Mutex
	writeErr error // what has ended the writing; guarded by writing

	// Fixed once made.
	raw     syscall.RawConn // nil: conn cannot be asked without waiting
	opt     *Options
	fd      int32 // of the socket, if raw is there: to be used while it is held
	deflate bool

	holds atomic.Int32 // goroutines that use fd; heldOver is added when it is to be closed

	controls atomic.Bool  // control holds something
	written  atomic.Int64 // bytes, those of TLS aside

	// Fixed once made.
	conn   net.Conn
	readFD func(fd uintptr) bool
	first  *[16]byte // what an idle plain connection reads into, if raw is nil
	room   Room      // nil: there is no bound

	// Owned by the reader.
	in       *inbox // nil while nothing is there
	deadline bool   // a read deadline is set
	busy     bool   // the last read filled its buffer: begin with a large one
	wait     bool   // tells tryRead what to do when nothing is there
	blocked  bool   // tryRead has found nothing
	working  bool   // between Work and Rest of room
	row      uint16 // frames that were dealt with since a read has emptied the socket
	readErr  error  // of tryRead
	ended    error  // what has ended the reading

	mu      sync.Mutex // guards the following
	control *control   // frames that wait to be sent; nil: none
	closing bool       // a close frame was sent, or waits to be

	heard atomic.Bool // since the Keeper looked last
	dead  atomic.Bool // the Keeper has given it up
	cut   atomic.Bool // CloseNow was called

	kept   keeping
	asked  asking
	asleep sleeping
}

// RemoteAddr is the peer's address, or its proxy's.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Written is how many bytes were written to the peer, those of TLS aside.
func (c *Conn) Written() int64 { return c.written.Load() }

// CloseNow ends the connection at once, and a Read and a Write under way with
// it. What the peer has not received yet may be lost; without a close
// handshake it surely is, so that a peer that does not read costs no memory
// any more. It may be called more than once.
func (c *Conn) CloseNow() {
	if c.cut.Swap(true) {
		return
	}
	if c.opt.Keeper != nil {
		c.opt.Keeper.remove(c)
	}
	if c.holds.Add(heldOver) == heldOver {
		c.shut()
	}
}

const heldOver = -1 << 30

// hold keeps the socket from being closed, and its number from becoming
// another's, for a call that does not wait. False: it is closed. Go's own way,
// RawConn.Control, holds one socket at a time.
func (c *Conn) hold() bool {
	for {
		n := c.holds.Load()
		if n < 0 {
			return false
		}
		if c.holds.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// letGo ends a hold, and then does what CloseNow had to leave.
func (c *Conn) letGo() {
	if c.holds.Add(-1) == heldOver {
		c.shut()
	}
}

// shut closes the socket. It is called once.
func (c *Conn) shut() {
	defer c.wakeToClose()
	if c.isClosing() {
		c.conn.Close()
		return
	}
	// Not through TLS, which would first say good-bye to a peer that may be stuck.
	socket := c.socket()
	if tcp, ok := socket.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	socket.Close()
}

// socket is what lies under TLS.
func (c *Conn) socket() net.Conn {
	if over, ok := c.conn.(interface{ NetConn() net.Conn }); ok {
		return over.NetConn()
	}
	return c.conn
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// setReadDeadline does nothing once the connection is closing: Close has set
// the last deadline.
func (c *Conn) setReadDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.conn.SetReadDeadline(t)
	}
}
