package ws

import (
	"time"

	"github.com/gobwas/ws"
)

// Msg is one text message: Head alone or, with a Body, Head + Body.Raw + "]".
// Neither may change any more.
type Msg struct {
	Head []byte
	Body *Body
}

// Write sends messages in order, as many in one system call as fit into 64
// KiB. It is an error if the peer does not take a step like that within
// Options.WriteTimeout; the connection then can only be cut. It keeps nothing.
func (c *Conn) Write(msgs []Msg) error {
	c.writing.Lock()
	err := c.writeLocked(msgs)
	c.writing.Unlock()
	_ = c.sendControl() // what came in between; its fate is no part of the answer
	return err
}

func (c *Conn) writeLocked(msgs []Msg) error {
	if c.writeErr != nil {
		return c.writeErr
	}
	s := step{c: c, buffer: takeBuffer(c.frameSizes(msgs))}
	defer s.release()
	for i := range msgs {
		if c.controls.Load() {
			k := c.takePending()
			s.add(k.append(s.spare[:0]))
			if k.close != nil {
				s.flush()
				if c.writeErr == nil {
					c.writeErr = ErrClosed
				}
				return c.writeErr
			}
		}
		s.message(&msgs[i])
	}
	s.flush()
	return c.writeErr
}

// frameSizes is how much room the messages take, roughly; it may stop counting
// past the small size.
func (c *Conn) frameSizes(msgs []Msg) (n int) {
	for i := range msgs {
		m := &msgs[i]
		n += len(m.Head) + maxHeader
		if m.Body != nil {
			n += len(m.Body.Raw) + 1
		}
		if n > smallSize {
			break
		}
	}
	return n
}

// step gathers frames and sends them when its buffer is full. Copying costs
// less than a vector of pieces as short as events are.
type step struct {
	*buffer
	c     *Conn
	n     int // bytes gathered
	spare [2*maxControlFrame + 2]byte
}

func (s *step) add(p []byte) {
	for {
		n := copy(s.b[s.n:], p)
		s.n += n
		if p = p[n:]; len(p) == 0 {
			return
		}
		s.flush()
	}
}

// flush sends what was gathered, unless sending has failed before.
func (s *step) flush() {
	if s.c.writeErr == nil && s.n > 0 {
		_ = s.c.send(s.b[:s.n], s.c.opt.WriteTimeout) // kept in writeErr
	}
	s.n = 0
}

func (s *step) message(m *Msg) {
	if m.Body == nil {
		s.header(false, len(m.Head))
		s.add(m.Head)
		return
	}
	if s.c.deflate && len(m.Head) <= maxStored {
		if d := m.Body.deflated(); d != nil {
			s.header(true, storedHeader+len(m.Head)+len(d))
			s.add(appendStored(s.spare[:0], len(m.Head)))
			s.add(m.Head)
			s.add(d)
			return
		}
	}
	s.header(false, len(m.Head)+len(m.Body.Raw)+len(tail))
	s.add(m.Head)
	s.add(m.Body.Raw)
	s.add(tail)
}

func (s *step) header(deflated bool, length int) {
	s.add(appendHeader(s.spare[:0], ws.OpText, deflated, length))
}

// tail ends a message with a Body.
var tail = []byte("]")

// send writes all of p. The caller holds c.writing. Its error is final.
func (c *Conn) send(p []byte, timeout time.Duration) error {
	if c.raw != nil {
		n, err := c.tryOnce(p)
		if p = p[n:]; err != nil || len(p) == 0 {
			return err
		}
	}
	// The deadline is set only for a peer that lets us wait: most never do.
	c.conn.SetWriteDeadline(time.Now().Add(timeout))
	n, err := c.conn.Write(p)
	c.written.Add(int64(n))
	c.conn.SetWriteDeadline(time.Time{})
	if err != nil {
		c.writeErr = err
	}
	return err
}

// tryOnce writes what the socket takes without waiting.
func (c *Conn) tryOnce(p []byte) (int, error) {
	c.out, c.sent = p, 0
	err := c.raw.Write(c.writeFD)
	c.out = nil
	c.written.Add(int64(c.sent))
	if err != nil {
		c.writeErr = err
	}
	return c.sent, c.writeErr
}
