// Package ws is the server side of WebSocket (RFC 6455) with
// permessage-deflate (RFC 7692), made for very many connections that are idle
// most of the time and for one event going out to many of them. It starts no
// goroutine for a connection, knows nothing of Nostr, and is the only package
// that knows the websocket library.
//
// The library is github.com/gobwas/ws: of the well-kept ones it alone hands
// over the parts (handshake, checked frame headers, a fast cipher, extension
// parameters) without a connection type that brings its own buffers. What
// moa needs around them is here: a connection that holds no buffer while
// nothing arrives, many messages in one write, and an event that is compressed
// once for all that receive it.
//
// # Idle connections
//
// A Conn waits for its socket to become readable before it takes a read buffer
// from a pool, and gives it back as soon as it is empty. There is no writer
// goroutine here and no timer: one Keeper pings all. Nor need there be a
// reader: one Watcher waits for all that sleep.
//
// # Compression
//
// Both directions are negotiated without context takeover. A message then is
// self-contained and, since a stored block may stand before a compressed one,
// can be put together from an uncompressed head of its own and a deflated body
// that all receivers share (see Body).
package ws

import (
	"errors"
	"fmt"
	"time"
)

// Options of an Upgrade. The zero Options are usable.
type Options struct {
	// MaxMessage bounds a message in bytes, as the caller sees it: inflated,
	// its fragments joined. 0: 512 KiB.
	MaxMessage int
	// MessageTimeout bounds the time from a message's first byte to its last.
	// Between messages a peer may be silent for any time (but see Keeper). 0: 60 s.
	MessageTimeout time.Duration
	// WriteTimeout is how long the peer may take for one step of a Write,
	// 64 KiB at most. 0: 10 s.
	WriteTimeout time.Duration
	// CloseTimeout is how long the peer may take to answer a close. 0: 3 s.
	CloseTimeout time.Duration
	// Compression accepts permessage-deflate when the client offers it.
	Compression bool
	// Keeper pings the connection and closes it when it is dead. nil: none does.
	Keeper *Keeper
	// Watcher lets the connection Sleep. nil: it cannot.
	Watcher *Watcher
}

// WithDefaults returns Options that leave nothing open: o itself if it is so.
// Connections share them, and each has its own if it was upgraded with others.
func (o *Options) WithDefaults() *Options {
	if o == nil {
		o = new(Options)
	}
	full := *o
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	if full.MaxMessage <= 0 {
		full.MaxMessage = 512 << 10
	}
	or(&full.MessageTimeout, time.Minute)
	or(&full.WriteTimeout, 10*time.Second)
	or(&full.CloseTimeout, 3*time.Second)
	if full == *o {
		return o
	}
	return &full
}

// Code is a close code (RFC 6455 section 7.4.1).
type Code uint16

const (
	Normal      Code = 1000
	GoingAway   Code = 1001
	Protocol    Code = 1002
	Unsupported Code = 1003
	NoStatus    Code = 1005 // never sent: a close frame without a code
	BadData     Code = 1007
	Policy      Code = 1008
	TooBig      Code = 1009
	Internal    Code = 1011
	// TryAgainLater is registered with IANA.
	TryAgainLater Code = 1013
)

// sendable reports whether a close frame may hold the code: the registered
// ones, and those left to libraries and applications.
func (c Code) sendable() bool {
	return 1000 <= c && c <= 1003 || 1007 <= c && c <= 1014 || 3000 <= c && c <= 4999
}

// CloseError ends the reading of a connection that was closed by a close
// frame, or that broke the protocol.
type CloseError struct {
	Code   Code // what the peer said, or was told
	Reason string
	Peer   bool // the peer closed; otherwise this side did
}

func (e *CloseError) Error() string {
	who := "closed"
	if e.Peer {
		who = "peer closed"
	}
	return fmt.Sprintf("ws: %s: %d %s", who, e.Code, e.Reason)
}

var (
	// ErrClosed is the answer to a Write after Close or CloseNow.
	ErrClosed = errors.New("ws: connection is closed")
	// ErrDead ends the reading of a connection that answered no ping.
	ErrDead = errors.New("ws: peer does not answer")
	// ErrSlow ends the reading of a message that took longer than
	// Options.MessageTimeout.
	ErrSlow = errors.New("ws: message takes too long to arrive")
	// ErrNothing is the answer to a TryRead that would have to wait.
	ErrNothing = errors.New("ws: nothing has arrived")
)
