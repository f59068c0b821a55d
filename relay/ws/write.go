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
func (c *Conn) Write(msgs []Msg) error {
	rest, err := c.TryWrite(msgs)
	if rest != nil {
		err = rest.Finish()
	}
	return err
}

// TryWrite is Write for a caller that cannot wait. What the socket does not take at once
// is the Rest, which must be finished by a goroutine that may wait; msgs are
// needed until then. Without a Rest it is done, or has failed.
func (c *Conn) TryWrite(msgs []Msg) (*Rest, error) {
	r := takeRest(c, msgs)
	r.tryLock()
	return r.try()
}

func (r *Rest) tryLock() { r.locked = r.c.writing.TryLock() }

// try is TryWrite from the lock on.
func (r *Rest) try() (*Rest, error) {
	c := r.c
	if !r.locked {
		return r, nil
	}
	for c.writeErr == nil && r.gather() {
		if c.raw != nil {
			r.tryOnce()
		}
		if r.from < r.to && c.writeErr == nil {
			return r, nil
		}
	}
	err := r.end()
	if c.controls.Load() { // they came in between, and perhaps have to wait
		return takeRest(c, nil), err
	}
	return nil, err
}

// Rest is what is left of a Write. It gathers frames and sends them when its
// buffer is full. Copying costs less than a vector of pieces as short as
// events are. A Rest comes from a pool: a Conn holds nothing for writing but
// the lock.
type Rest struct {
	*buffer
	c        *Conn
	locked   bool      // it holds c.writing
	from, to int       // of the buffer: gathered, and not yet sent
	msgs     []Msg     // of which nothing is gathered yet
	parts    [4][]byte // of the frame under way, not yet gathered
	last     bool      // a close frame was gathered: nothing may follow
	spare    [2*maxControlFrame + 2]byte
}

var rests = sync.Pool{New: func() any { return new(Rest) }}

func takeRest(c *Conn, msgs []Msg) *Rest {
	r := rests.Get().(*Rest)
	r.buffer, r.c, r.msgs = takeBuffer(c.frameSizes(msgs)), c, msgs
	return r
}

// Finish sends what is left, and waits for the peer as Write does. The Rest is
// not used any more.
func (r *Rest) Finish() error {
	c := r.c
	if !r.locked {
		c.writing.Lock()
		r.locked = true
	}
	for c.writeErr == nil && r.gather() {
		r.send(c.opt.WriteTimeout)
	}
	err := r.end()
	_ = c.sendControl() // what came in between; its fate is no part of the answer
	return err
}

// end gives everything back and says what has become of the messages.
func (r *Rest) end() error {
	c := r.c
	if r.last && c.writeErr == nil {
		c.writeErr = ErrClosed
	}
	err := c.writeErr
	r.release()
	c.writing.Unlock()
	return err
}

func (r *Rest) release() {
	r.buffer.release()
	r.buffer, r.c, r.msgs, r.parts = nil, nil, nil, [4][]byte{}
	r.locked, r.last, r.from, r.to = false, false, 0, 0
	rests.Put(r)
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

// gather fills the buffer. False: nothing is left to send.
func (r *Rest) gather() bool {
	if r.from < r.to {
		return true
	}
	r.from, r.to = 0, 0
	for r.copyParts() && !r.last && r.next() {
	}
	return r.to > 0
}

// copyParts gathers what fits of the frame under way, and reports whether that
// was all of it.
func (r *Rest) copyParts() bool {
	for i := range r.parts {
		n := copy(r.b[r.to:], r.parts[i])
		r.to += n
		if n < len(r.parts[i]) {
			r.parts[i] = r.parts[i][n:]
			return false
		}
		r.parts[i] = nil
	}
	return true
}

// next begins a frame: control frames go before messages. False: none is left.
func (r *Rest) next() bool {
	if r.c.controls.Load() {
		k := r.c.takePending()
		r.parts[0], r.last = k.append(r.spare[:0]), k.close != nil
		return true
	}
	if len(r.msgs) == 0 {
		return false
	}
	r.message(&r.msgs[0])
	r.msgs = r.msgs[1:]
	return true
}

func (r *Rest) message(m *Msg) {
	raw := m.Raw
	switch {
	case m.Body != nil:
		if r.c.deflate && len(m.Head) <= maxStored {
			if d := m.Body.deflated(); d != nil {
				h := r.header(true, storedHeader+len(m.Head)+len(d))
				r.parts = [...][]byte{appendStored(h, len(m.Head)), m.Head, d, nil}
				return
			}
		}
		raw = m.Body.Raw
	case raw == nil:
		r.parts[0], r.parts[1] = r.header(false, len(m.Head)), m.Head
		return
	}
	r.parts = [...][]byte{r.header(false, len(m.Head)+len(raw)+len(tail)), m.Head, raw, tail}
}

func (r *Rest) header(deflated bool, length int) []byte {
	return appendHeader(r.spare[:0], ws.OpText, deflated, length)
}

// tail ends a message with a Body.
var tail = []byte("]")

// send sends all that is gathered, and waits for the peer if need be. What goes
// wrong is kept in writeErr.
func (r *Rest) send(timeout time.Duration) {
	c := r.c
	if c.raw != nil {
		if r.tryOnce(); r.from == r.to || c.writeErr != nil {
			return
		}
	}
	// The deadline is set only for a peer that lets us wait: most never do.
	c.conn.SetWriteDeadline(time.Now().Add(timeout))
	n, err := c.conn.Write(r.b[r.from:r.to])
	c.written.Add(int64(n))
	c.conn.SetWriteDeadline(time.Time{})
	r.from = r.to
	if err != nil {
		c.writeErr = err
	}
}

// tryOnce sends what the socket takes without waiting.
func (r *Rest) tryOnce() {
	c := r.c
	if !c.hold() {
		c.writeErr = ErrClosed
		return
	}
	r.writeOnce()
	c.letGo()
}
