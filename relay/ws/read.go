package ws

import (
	"errors"
	"net"
	"os"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Read returns the next whole message, text or binary, its fragments joined
// and inflated. It is valid until the next Read: copy what is to be kept. Text
// is valid UTF-8. Read answers control frames. Its error is final: a *CloseError,
// ErrDead, ErrSlow, io.EOF or what the network says. A *CloseError that is not
// the peer's says how the peer has broken the protocol: it has not been told yet,
// so that what waits to be written can go before (Part).
func (c *Conn) Read() ([]byte, error) { return c.read(forever) }

// TryRead is Read that does not wait for a message to begin: ErrNothing says
// that nothing is there. It waits for the rest of a message that is partly
// there.
func (c *Conn) TryRead() ([]byte, error) { return c.read(0) }

// ReadFor is TryRead that waits so long. For a message on a connection that
// cannot Sleep it may wait longer.
func (c *Conn) ReadFor(d time.Duration) ([]byte, error) {
	if !c.canSleep() {
		return c.Read()
	}
	return c.read(d)
}

// forever is a wait without an end.
const forever time.Duration = -1

// read waits so long for a message to begin.
func (c *Conn) read(wait time.Duration) ([]byte, error) {
	if c.ended != nil {
		return nil, c.ended
	}
	if c.in != nil {
		c.in.takeBack()
	}
	for {
		msg, err := c.next(wait)
		if err == ErrNothing {
			return nil, err
		}
		if err != nil {
			return nil, c.endReading(err)
		}
		c.markIdle()
		_ = c.sendControl() // what is wrong, the next read tells
		if !c.isClosing() { // otherwise only the peer's close frame counts
			return msg, nil
		}
		c.in.takeBack()
	}
}

// next reads up to the end of a message.
func (c *Conn) next(wait time.Duration) ([]byte, error) {
	for {
		if in := c.in; in != nil {
			msg, err := c.look(in)
			if err != nil || msg != nil {
				return msg, err
			}
			if err := in.makeRoom(int(c.mostBytes(in))); err != nil {
				return nil, err
			}
		}
		_ = c.sendControl() // what is wrong, the next read tells
		if err := c.fill(wait); err != nil {
			return nil, err
		}
	}
}

// look deals with what has come, up to the end of a message. nil: there is no end.
func (c *Conn) look(in *inbox) ([]byte, error) {
	defer c.rest()
	for {
		c.work()
		done, more, err := c.advance(in)
		switch {
		case err != nil || more:
			return nil, err
		case done:
			return c.finish(in)
		}
	}
}

// fewInARow is how many frames in a row are nothing to speak of.
const fewInARow = 8

// work is called before a frame is dealt with. A peer may fill the socket with
// thousands of small ones again and again.
func (c *Conn) work() {
	switch {
	case c.row < fewInARow:
		c.row++
	case c.room != nil && !c.working:
		c.working = true
		c.room.Work()
	}
}

// rest is called before the connection waits for its peer, or has a message.
func (c *Conn) rest() {
	if c.working {
		c.working = false
		c.room.Rest()
	}
}

// advance looks at what has come: a piece of payload, or a frame's header. It
// says whether a message is done, and whether it needs more bytes to go on.
func (c *Conn) advance(in *inbox) (done, more bool, err error) {
	if !in.midFrame() {
		h, size, err := parseHeader(in.b[in.r:in.w])
		if err != nil {
			return false, false, &violation{Protocol, err.Error()}
		}
		if size == 0 {
			return false, true, nil
		}
		if err := checkHeader(h, in.open, c.deflate); err != nil {
			return false, false, &violation{Protocol, err.Error()}
		}
		if h.OpCode.IsControl() {
			more, err := c.takeControl(in, h, size)
			return false, more, err
		}
		in.begin(h, size)
		if h.Length > c.mostBytes(in)-int64(in.end-in.start) {
			return false, false, errTooBig
		}
	}
	in.take()
	if in.midFrame() {
		return false, true, nil
	}
	return in.frame.Fin, false, nil
}

var errTooBig = &violation{TooBig, "message too big"}

// violation is what a peer did wrong, in the words it is told.
type violation struct {
	code Code
	text string
}

func (v *violation) Error() string { return v.text }

// mostBytes is how long the message under way may be, as it comes. Deflating
// what does not compress makes it longer: 5 bytes in 64 KiB are usual.
func (c *Conn) mostBytes(in *inbox) int64 {
	most := int64(c.opt.MaxMessage)
	if in.deflated {
		most += most>>10 + 64
	}
	return most
}

// finish hands out the message that is complete.
func (c *Conn) finish(in *inbox) ([]byte, error) {
	text := in.open == ws.OpText
	in.open, in.frame, in.taken = ws.OpContinuation, ws.Header{}, 0
	in.handed = true
	msg := in.b[in.start:in.end:in.end]
	if in.deflated {
		var err error
		if in.inflated, msg, err = inflate(msg, c.opt.MaxMessage); err != nil {
			return nil, err
		}
		if n := len(in.inflated.b); in.room != nil && n > largeSize {
			if !in.room.Take(n) {
				return nil, errNoRoom
			}
			in.heldToo = n
		}
	}
	if text && !utf8.Valid(msg) {
		return nil, &violation{BadData, "text is not valid UTF-8"}
	}
	return msg, nil
}

// fill waits for bytes and reads them. The inbox, if there is one, has room.
// It waits so long for a message to begin, and as long as it takes inside one.
func (c *Conn) fill(wait time.Duration) error {
	inside := c.in != nil && c.in.inside()
	if c.raw == nil {
		if !inside && wait == 0 {
			return ErrNothing
		}
		return c.fillPlain()
	}
	if !inside {
		return c.fillIdle(wait)
	}
	// Most of a message comes at once: a deadline is needed only if the rest of it
	// must be waited for.
	c.wait = c.deadline
	err := c.readRaw()
	if err == nil && c.blocked {
		c.in.shrink()
		if err := c.in.hold(); err != nil {
			return err
		}
		c.markInside()
		c.wait = true
		err = c.readRaw()
	}
	return err
}

// fillIdle is fill between messages.
func (c *Conn) fillIdle(wait time.Duration) error {
	c.markIdle()
	c.wait = wait != 0
	if wait > 0 {
		c.deadline = true
		c.setReadDeadline(time.Now().Add(wait))
		defer c.markIdle()
	}
	err := c.readRaw()
	if err == nil && !c.blocked || err != nil && (wait <= 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
		return err
	}
	// Where the deadline was over before the socket was looked at, the inbox has
	// not been dropped. A connection that is closing comes here too: Read has the
	// time that is left for that.
	c.dropInbox()
	return ErrNothing
}

func (c *Conn) readRaw() error {
	if c.readErr != nil { // found by Ready
		return c.readErr
	}
	if err := c.raw.Read(c.readFD); err != nil {
		return err
	}
	return c.readErr
}

// fillPlain is fill for a connection that cannot be asked without waiting.
// While nothing arrives it lends it just enough room for a short header.
func (c *Conn) fillPlain() error {
	var n int
	var err error
	if in := c.in; in != nil && in.inside() {
		in.shrink()
		if err := in.hold(); err != nil {
			return err
		}
		c.markInside()
		n, err = c.conn.Read(in.b[in.w:])
		c.came(n)
	} else {
		c.dropInbox()
		c.markIdle()
		n, err = c.conn.Read(c.first[:])
		c.in = takeInbox(c.busy, c.room)
		c.came(copy(c.in.b, c.first[:n]))
	}
	if n > 0 { // an error comes again
		return nil
	}
	return err
}

// came takes note of n bytes behind in.w.
func (c *Conn) came(n int) {
	in := c.in
	in.w += n
	c.busy = in.w == len(in.b) || c.busy && n >= smallSize
	if in.w < len(in.b) {
		c.row = 0
	}
	if n > 0 && !c.heard.Load() { // spares the cache line
		c.heard.Store(true)
	}
}

// markInside sets the deadline of a message that is partly here, once.
func (c *Conn) markInside() {
	if !c.deadline {
		c.deadline = true
		c.setReadDeadline(time.Now().Add(c.opt.MessageTimeout))
	}
}

func (c *Conn) markIdle() {
	if c.deadline {
		c.deadline = false
		c.setReadDeadline(time.Time{})
	}
}

func (c *Conn) dropInbox() {
	if in := c.in; in != nil {
		c.in = nil
		in.release()
	}
}

// Part is Close for the goroutine that reads, instead of reading on: it tells the
// peer why, and gives it a moment to read that.
func (c *Conn) Part(code Code, reason string) {
	c.Close(code, reason)
	c.dropInbox()
	c.drain()
	if c.ended == nil {
		c.ended = ErrClosed
	}
}

// endReading gives everything back and says, once and for all, why.
func (c *Conn) endReading(err error) error {
	if v, ok := errors.AsType[*violation](err); ok {
		err = &CloseError{Code: v.code, Reason: v.text}
	}
	switch {
	case c.dead.Load():
		err = ErrDead
	case errors.Is(err, os.ErrDeadlineExceeded) && c.isClosing():
		err = ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ErrSlow
	case errors.Is(err, net.ErrClosed):
		err = ErrClosed
	}
	c.ended = err
	c.dropInbox()
	return err
}

// drainPause is between reads of a peer that goes on sending after the end: it costs
// no more than 13 MB/s.
const drainPause = 5 * time.Millisecond

// drain reads until the peer ends the connection, or the deadline that Close
// has set. A socket closed with bytes in it would be reset, and the peer might
// never see the close frame.
func (c *Conn) drain() {
	if c.writing.TryLock() { // otherwise the goroutine that is writing sends the close frame when it is done
		_, _ = c.sendControlLocked() // the reading is over, whatever comes of it
		if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // the same
		}
		c.writing.Unlock()
	}
	b := takeBuffer(largeSize)
	defer b.release()
	for total := 0; ; {
		n, err := c.conn.Read(b.b)
		if err != nil {
			return
		}
		if total += n; total > largeSize {
			time.Sleep(drainPause)
		}
	}
}
