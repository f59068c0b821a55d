package ws

import "sync/atomic"

// asking is what Gone knows.
type asking struct {
	told  atomic.Uint32 // bytes that were written when it was asked last
	times atomic.Uint32 // that it was asked since the peer was told anything
}

// mostAsked is how often the socket alone is asked.
const mostAsked = 32

// Gone reports that the connection is over, or that its peer has ended it, whether
// or not Read has come to that: no question that the peer has sent is worth an
// answer. It asks the socket, where there is one to ask, and waits for nothing.
//
// A peer that has closed with more on its way than the socket takes is known only
// once it is written to: the end comes behind what is on its way. So a peer that
// Gone is asked about many times while it is told nothing gets a ping.
func (c *Conn) Gone() bool {
	if !c.hold() {
		return true
	}
	gone := c.raw != nil && hungUp(c.fd)
	c.letGo()
	if !gone && c.raw != nil && c.asked.many(uint32(c.written.Load())) && !c.isClosing() {
		c.putPing()
		_ = c.sendControl() // the reader finds out what is wrong
	}
	return gone
}

// many notes that Gone was asked when so many bytes were written, and reports that it
// was too often.
func (a *asking) many(written uint32) bool {
	if a.told.Swap(written) != written {
		a.times.Store(0)
	}
	return a.times.Add(1)%mostAsked == 0
}
