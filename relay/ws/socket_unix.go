//go:build unix

package ws

import (
	"io"
	"net"
	"syscall"
)

// rawConn returns access to the socket itself, nil if there is more to nc than
// a socket (TLS, a proxy's header).
func rawConn(nc net.Conn) syscall.RawConn {
	var sc syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// tryRead reads once, into an inbox that it takes only when there is something
// to read. It returns false, which means: call me again when the socket is
// readable, if there is nothing and c.wait is set.
func (c *Conn) tryRead(fd uintptr) (done bool) {
	if c.in == nil {
		c.in = takeInbox(c.busy, c.room)
	}
	in := c.in
	n, err := retry(readNow, fd, in.b[in.w:])
	c.blocked = err == syscall.EAGAIN
	switch {
	case c.blocked:
		if in.empty() {
			c.dropInbox()
		}
		return !c.wait
	case err != nil:
		c.readErr = err
	case n == 0:
		c.readErr = io.EOF
	default:
		c.came(n)
	}
	return true
}

// fdOf is the socket's number, for a caller that holds the connection; -1 if it is
// closed already.
func fdOf(raw syscall.RawConn) int32 {
	n := int32(-1)
	_ = raw.Control(func(fd uintptr) { n = int32(fd) })
	return n
}

// writeOnce writes what the socket takes of what is gathered. The caller holds
// the socket.
func (r *Rest) writeOnce() {
	r.sent(retry(writeNow, uintptr(r.c.fd), r.b[r.from:r.to]))
}

// sent takes note of what has become of what was gathered.
func (r *Rest) sent(n int, err error) {
	if err == nil {
		r.from += n
		r.c.written.Add(int64(n))
	} else if err != syscall.EAGAIN && err != syscall.EINTR { // of which a ring may tell
		r.c.writeErr = err
	}
}

func retry(call func(fd int, p []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		n, err := call(int(fd), p)
		if err != syscall.EINTR {
			return n, err
		}
	}
}
