package ws

import (
	"sync"

	"github.com/gobwas/ws"
)

// inbox is where a connection's messages come together. A connection has one
// only while something is in it.
//
//	b: | ... | message so far | ... | not looked at yet | free |
//	         start          end     r                   w
//
// Payloads are unmasked where they lie and moved down to end, so that the
// fragments of a message join.
type inbox struct {
	*buffer
	start, end int
	r, w       int

	frame ws.Header // the data frame under way
	taken int64     // of its payload; frame.Length: none is under way
	// open is the type of the message under way; OpContinuation: none is.
	open     ws.OpCode
	deflated bool

	handed   bool    // b[start:end], or inflated, is in the caller's hands
	inflated *buffer // what the caller was given instead of b

	room    Room // nil: there is no bound
	held    int  // of room, for b
	heldToo int  // the same, for inflated
}

// Room is what several connections together may take.
type Room interface {
	// Take takes n bytes. False: there is no room for them, and the connection ends.
	// It is asked for messages that are longer than any pooled buffer, and for those
	// that a connection waits in the middle of, unless they are short.
	Take(n int) bool
	Give(n int)
	// Work waits until the connection may deal with frames that have come in a row.
	// Rest ends that, before it waits for its peer.
	Work()
	Rest()
}

// SetRoom bounds what is received, and the work that it is. It is called before the
// first Read.
func (c *Conn) SetRoom(r Room) {
	c.room = r
	if c.in != nil {
		c.in.room = r
	}
}

var errNoRoom = &violation{TryAgainLater, "too much is being received, try again later"}

// hold takes room for b, unless it is short.
func (in *inbox) hold() error {
	if in.room == nil || len(in.b) <= smallSize || len(in.b) == in.held {
		return nil
	}
	if !in.room.Take(len(in.b) - in.held) {
		return errNoRoom
	}
	in.held = len(in.b)
	return nil
}

func (in *inbox) give(held *int) {
	if *held > 0 {
		in.room.Give(*held)
		*held = 0
	}
}

var inboxes = sync.Pool{New: func() any { return new(inbox) }}

func takeInbox(large bool, room Room) *inbox {
	in := inboxes.Get().(*inbox)
	size := smallSize
	if large {
		size = largeSize
	}
	*in = inbox{buffer: takeBuffer(size), room: room}
	return in
}

func (in *inbox) release() {
	in.takeBack()
	in.give(&in.held)
	in.buffer.release()
	in.buffer = nil
	inboxes.Put(in)
}

// takeBack ends the life of the message that the caller was given last.
func (in *inbox) takeBack() {
	in.handed = false
	if in.inflated != nil {
		in.give(&in.heldToo)
		in.inflated.release()
		in.inflated = nil
	}
	if in.open == ws.OpContinuation {
		in.start, in.end = in.r, in.r
	}
}

// inside reports whether a message, or a frame's header, is partly here.
func (in *inbox) inside() bool { return in.open != ws.OpContinuation || in.r < in.w }

// empty reports that nothing would be lost with the inbox.
func (in *inbox) empty() bool { return !in.handed && !in.inside() }

// begin opens a data frame whose header of that size is at b[r].
func (in *inbox) begin(h ws.Header, size int) {
	in.r += size
	in.frame, in.taken = h, 0
	if h.OpCode != ws.OpContinuation {
		in.open, in.deflated = h.OpCode, h.Rsv1()
		in.start, in.end = in.r, in.r
	}
}

// midFrame reports whether some of the data frame's payload is still to come.
func (in *inbox) midFrame() bool { return in.taken < in.frame.Length }

// take adds what has come of the data frame's payload to the message.
func (in *inbox) take() {
	n := int(min(in.frame.Length-in.taken, int64(in.w-in.r)))
	p := in.b[in.r : in.r+n]
	ws.Cipher(p, in.frame.Mask, int(in.taken))
	if in.end != in.r {
		copy(in.b[in.end:], p)
	}
	in.end += n
	in.r += n
	in.taken += int64(n)
}

// minFree is how much room a read should find: a control frame and a header.
const minFree = 256

// makeRoom moves what is needed to the start, and grows the buffer if that
// leaves less than minFree. So it grows only with what has really come, and up to
// a message of most bytes, behind which a header or a control frame may wait.
func (in *inbox) makeRoom(most int) error {
	if in.start == in.end { // no message, or an empty one
		in.start, in.end = 0, 0
	}
	if in.r == in.w {
		in.r, in.w = in.end, in.end
	}
	if len(in.b)-in.w >= minFree {
		return nil
	}
	in.end = copy(in.b, in.b[in.start:in.end])
	in.start = 0
	in.w = in.end + copy(in.b[in.end:], in.b[in.r:in.w])
	in.r = in.end
	if len(in.b)-in.w < minFree {
		in.buffer = in.grow(in.b[:in.w], most+4*minFree)
		if len(in.b) > largeSize {
			return in.hold()
		}
	}
	return nil
}

// shrink moves what little is here into a small buffer: the connection is
// about to wait.
func (in *inbox) shrink() {
	if len(in.b) <= smallSize || in.handed || in.end-in.start+in.w-in.r > smallSize/2 {
		return
	}
	small := takeBuffer(smallSize)
	end := copy(small.b, in.b[in.start:in.end])
	w := end + copy(small.b[end:], in.b[in.r:in.w])
	in.give(&in.held)
	in.buffer.release()
	in.buffer = small
	in.start, in.end, in.r, in.w = 0, end, end, w
}
