package ws

import "github.com/gobwas/ws"

// Ready reports whether a whole further message has arrived, so that Read will
// not wait; it may miss one. It looks into the socket, and leaves the message
// that Read returned last as it is.
func (c *Conn) Ready() bool {
	if c.readErr != nil || c.ended != nil {
		return true
	}
	if c.in != nil && c.in.holdsMessage() {
		return true
	}
	if c.raw == nil || c.in != nil && c.in.w == len(c.in.b) {
		return false
	}
	c.wait = false
	if c.raw.Read(c.readFD) != nil || c.readErr != nil {
		return true
	}
	return !c.blocked && c.in.holdsMessage()
}

// holdsMessage reports whether Read will return without another byte: a
// message's last frame is here, or something that ends the connection.
func (in *inbox) holdsMessage() bool {
	for rest := in.b[in.r:in.w]; ; {
		h, size, err := parseHeader(rest)
		if err != nil {
			return true
		}
		if size == 0 || h.Length > int64(len(rest)-size) {
			return false
		}
		if h.OpCode == ws.OpClose || h.OpCode.IsData() && h.Fin {
			return true
		}
		rest = rest[size+int(h.Length):]
	}
}
