package ws

import (
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// control holds the control frames that wait to be sent, at most one of each:
// of several pings that came meanwhile only the last is answered (RFC 6455
// section 5.5.3).
type control struct {
	ping  bool
	pong  []byte // nil: none
	close []byte // nil: none; the frame's payload
}

// append appends the frames. Nothing may follow a close frame, so it is last.
func (k *control) append(dst []byte) []byte {
	if k.ping {
		dst = appendHeader(dst, ws.OpPing, false, 0)
	}
	if k.pong != nil {
		dst = append(appendHeader(dst, ws.OpPong, false, len(k.pong)), k.pong...)
	}
	if k.close != nil {
		dst = append(appendHeader(dst, ws.OpClose, false, len(k.close)), k.close...)
	}
	return dst
}

const maxControlFrame = 2 + ws.MaxControlFramePayloadSize

// takeControl deals with a control frame whose header lies at b[r], once it is
// all there.
func (c *Conn) takeControl(in *inbox, h ws.Header, size int) (more bool, err error) {
	whole := size + int(h.Length)
	if in.w-in.r < whole {
		return true, nil
	}
	payload := in.b[in.r+size : in.r+whole]
	ws.Cipher(payload, h.Mask, 0)
	in.r += whole
	switch h.OpCode {
	case ws.OpPing:
		c.mu.Lock()
		c.controlLocked().pong = append([]byte{}, payload...)
		c.mu.Unlock()
		c.controls.Store(true)
	case ws.OpClose:
		c.rest() // to answer may take time
		return false, c.peerCloses(payload)
	}
	return false, nil
}

// peerCloses answers a close frame, unless it is itself the answer to ours,
// and returns the error that ends the reading.
func (c *Conn) peerCloses(payload []byte) error {
	ours := c.isClosing()
	end := &CloseError{Code: NoStatus, Peer: !ours}
	if len(payload) > 0 {
		if len(payload) == 1 {
			return &violation{Protocol, "close frame with half a code"}
		}
		end.Code = Code(binary.BigEndian.Uint16(payload))
		end.Reason = string(payload[2:])
		if !end.Code.sendable() {
			return &violation{Protocol, "close code may not be sent"}
		}
		if !utf8.ValidString(end.Reason) {
			return &violation{BadData, "close reason is not valid UTF-8"}
		}
	}
	if !ours {
		c.Close(end.Code, "")
	}
	return end
}

// Close sends a close frame, NoStatus for one without a code, and lets no more
// messages out. Go on reading: Read drops what still comes and fails when the
// peer has answered, or Options.CloseTimeout is over. A second Close does
// nothing. It waits for the peer, if at all, no longer than CloseTimeout.
func (c *Conn) Close(code Code, reason string) error {
	payload := []byte{}
	if code != NoStatus {
		payload = binary.BigEndian.AppendUint16(payload, uint16(code))
		payload = append(payload, cropped(reason, ws.MaxControlFramePayloadSize-2)...)
	}
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return nil
	}
	c.closing = true
	c.controlLocked().close = payload
	c.conn.SetReadDeadline(time.Now().Add(c.opt.CloseTimeout))
	c.mu.Unlock()
	c.controls.Store(true)
	c.wakeToClose() // to wait for the peer's answer
	return c.sendControl()
}

// cropped returns the first most bytes of s, less a rune cut in two.
func cropped(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// sendControl sends the control frames that wait, unless another goroutine is
// writing: it looks again when it has finished. Only a close frame is waited for;
// pings and pongs stay behind when the peer takes nothing.
func (c *Conn) sendControl() error {
	for c.controls.Load() {
		if !c.writing.TryLock() {
			return nil
		}
		stuck, err := c.sendControlLocked()
		c.writing.Unlock()
		if stuck || err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) sendControlLocked() (stuck bool, err error) {
	if c.writeErr != nil {
		c.takePending()
		return false, c.writeErr
	}
	k := c.takePending()
	r := takeRest(c, nil)
	defer r.release()
	r.parts[0] = k.append(r.spare[:0])
	if r.copyParts(); r.to == 0 {
		return false, nil
	}
	if k.close == nil && c.raw != nil {
		r.tryOnce()
		if r.from == 0 && c.writeErr == nil {
			c.putBack(k)
			return true, nil
		}
	}
	if r.from < r.to && c.writeErr == nil {
		r.send(c.opt.CloseTimeout)
	}
	err = c.writeErr
	if k.close != nil && c.writeErr == nil {
		c.writeErr = ErrClosed
	}
	return false, err
}

// putPing lets a ping wait to be sent.
func (c *Conn) putPing() {
	c.mu.Lock()
	c.controlLocked().ping = true
	c.mu.Unlock()
	c.controls.Store(true)
}

// controlLocked is for a frame that is to wait.
func (c *Conn) controlLocked() *control {
	if c.control == nil {
		c.control = new(control)
	}
	return c.control
}

func (c *Conn) takePending() (k control) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.control != nil {
		k, c.control = *c.control, nil
	}
	c.controls.Store(false)
	return k
}

// putBack returns frames that could not be sent, less those that newer ones
// have replaced.
func (c *Conn) putBack(k control) {
	c.mu.Lock()
	defer c.mu.Unlock()
	waits := c.controlLocked()
	waits.ping = waits.ping || k.ping
	if waits.pong == nil {
		waits.pong = k.pong
	}
	c.controls.Store(true)
}
