package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"moa/relay/shares"
	"moa/relay/ws"
)

// leaves takes note of why the connection ends. Only the first reason counts:
// what is found afterwards follows from it. False: this one is not the first.
func (c *client) leaves(why dropReason) bool {
	if c.left.Swap(true) {
		return false
	}
	c.met.drop(why)
	return true
}

// ended is leaves for what the reader was told.
func (c *client) ended(err error) {
	if why := readingEnded(err); c.leaves(why) {
		c.log.Debug("connection ended", "conn", c.id, "ip", c.ip, "reason", string(why), "err", err)
	}
}

// Failed is leaves for what a writer was told. Where the connection was ended
// meanwhile, the reader, or what has ended it, says why.
//
// A client that has gone may have published before: what the socket holds of that
// is still read, and then the reader ends.
func (c *client) Failed(err error) {
	switch {
	case errors.Is(err, ws.ErrClosed), errors.Is(err, net.ErrClosed):
	case errors.Is(err, os.ErrDeadlineExceeded):
		if c.leaves(dropWrite) {
			c.log.Warn("client takes nothing, disconnected", "conn", c.id, "ip", c.ip, "waited", c.settings.Load().cfg.WriteTimeout)
		}
	default:
		c.ended(err)
	}
	if !c.conn.Gone() {
		c.conn.CloseNow()
	}
}

// gone reports that nobody hears an answer any more. Work for one is not begun.
func (c *client) gone() bool { return c.out.Over() || c.conn.Gone() }

// readingEnded is why a connection has ended by itself.
func readingEnded(err error) dropReason {
	if c, ok := errors.AsType[*ws.CloseError](err); ok {
		if c.Peer {
			return dropClosed
		}
		if c.Code == ws.TryAgainLater {
			return dropInbox
		}
		return dropProtocol
	}
	switch {
	case errors.Is(err, ws.ErrDead):
		return dropPing
	case errors.Is(err, ws.ErrSlow):
		return dropDribble
	case err == errGarbage:
		return dropGarbage
	case err == errPanic:
		return dropPanic
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return dropGone
	}
	return dropOther
}

// errPanic ends a session that has panicked.
var errPanic = errors.New("relay: a session has panicked")

// errGarbage ends the reading of a connection that says nothing but garbage.
var errGarbage = errors.New("relay: nothing but malformed messages")

// Slow ends the connection of a client that does not read.
func (c *client) Slow(queued int) {
	c.ledger.Refuse(shares.Outbox, shares.Connection)
	c.cut(dropSlow, queued)
}

// cut ends the connection of a client for which too much waits.
func (c *client) cut(why dropReason, queued int) {
	if c.leaves(why) {
		c.log.Warn("slow consumer disconnected", "conn", c.id, "ip", c.ip, "queued", queued, "limit", c.limits.OutboxBytes, "reason", string(why))
	}
	c.conn.CloseNow()
}

// relieve ends the session for others' sake.
func (c *client) relieve(why dropReason) {
	queued, ok := c.out.Condemn()
	if !ok {
		return
	}
	c.ledger.Refuse(shares.Outbox, map[dropReason]shares.Scope{dropShare: shares.Address, dropTotal: shares.All}[why])
	c.cut(why, queued)
}
