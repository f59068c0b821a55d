package ws

import (
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// Msg is one text message: Head alone or, with one of the others, Head, then
// Raw or Body.Raw, then "]". None of them may change any more.
type Msg struct {
	Head []byte
	Raw  []byte // never compressed: for what goes to one receiver only
	Body *Body  // for what many receive
}

// Write sends messages in order, as many in one system call as fit into 64
// KiB. It is an error if the peer does not take a step like that within
// Options.WriteTimeout; the connection then can only be cut. It keeps nothing.
func (c *Conn) Write(msgs []Msg) error { return c.WriteYield(msgs, stay) }

// WriteYield is Write for a goroutine that has other connections to serve: it
// calls yield, perhaps more than once, when it is about to wait for this one.
func (c *Conn) WriteYield(msgs []Msg, yield func()) error {
	if !c.writing.TryLock() {
		yield()
		c.writing.Lock()
	}
	err := c.writeLocked(msgs, yield)
	c.writing.Unlock()
	_ = c.sendControl(yield) // what came in between; its fate is no part of the answer
	return err
}

// stay is the yield of who may wait.
func stay() {}

func (c *Conn) writeLocked(msgs []Msg, yield func()) error {
	if c.writeErr != nil {
		return c.writeErr
	}
	s := takeStep(c, c.frameSizes(msgs), yield)
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
		n += len(m.Head) + len(m.Raw) + maxHeader + len(tail)
		if m.Body != nil {
			n += len(m.Body.Raw)
		}
		if n > smallSize {
			break
		}
	}
	return n
}

// step gathers frames and sends them when its buffer is full. Copying costs
// less than a vector of pieces as short as events are. Who holds c.writing has
// one, from a pool: a Conn holds nothing for writing but the lock.
type step struct {
	*buffer
	c     *Conn
	yield func()
	n     int // bytes gathered
	spare [2*maxControlFrame + 2]byte

	// Of tryOnce.
	out   []byte
	sent  int
	write func(fd uintptr) // tryWrite
}

var steps = sync.Pool{New: func() any {
	s := new(step)
	s.write = s.tryWrite
	return s
}}

func takeStep(c *Conn, size int, yield func()) *step {
	s := steps.Get().(*step)
	s.buffer, s.c, s.yield, s.n = takeBuffer(size), c, yield, 0
	return s
}

func (s *step) release() {
	s.buffer.release()
	s.buffer, s.c, s.yield = nil, nil, nil
	steps.Put(s)
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
		_ = s.send(s.b[:s.n], s.c.opt.WriteTimeout) // kept in writeErr
	}
	s.n = 0
}

func (s *step) message(m *Msg) {
	raw := m.Raw
	switch {
	case m.Body != nil:
		if s.c.deflate && len(m.Head) <= maxStored {
			if d := m.Body.deflated(); d != nil {
				s.header(true, storedHeader+len(m.Head)+len(d))
				s.add(appendStored(s.spare[:0], len(m.Head)))
				s.add(m.Head)
				s.add(d)
				return
			}
		}
		raw = m.Body.Raw
	case raw == nil:
		s.header(false, len(m.Head))
		s.add(m.Head)
		return
	}
	s.header(false, len(m.Head)+len(raw)+len(tail))
	s.add(m.Head)
	s.add(raw)
	s.add(tail)
}

func (s *step) header(deflated bool, length int) {
	s.add(appendHeader(s.spare[:0], ws.OpText, deflated, length))
}

// tail ends a message with a Body.
var tail = []byte("]")

// send writes all of p. Its error is final.
func (s *step) send(p []byte, timeout time.Duration) error {
	c := s.c
	if c.raw != nil {
		n, err := s.tryOnce(p)
		if p = p[n:]; err != nil || len(p) == 0 {
			return err
		}
	}
	s.yield()
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
func (s *step) tryOnce(p []byte) (int, error) {
	c := s.c
	s.out, s.sent = p, 0
	err := c.raw.Control(s.write) // not Write, which would prepare to wait
	s.out = nil
	c.written.Add(int64(s.sent))
	if err != nil {
		c.writeErr = err
	}
	return s.sent, c.writeErr
}
