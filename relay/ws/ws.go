// Package ws is the server side of WebSocket (RFC 6455) with
// permessage-deflate (RFC 7692). It is the only package that knows the
// websocket library.
package ws

import "time"

// Options of an Upgrade. The zero Options are usable.
type Options struct {
	MaxMessage     int           // bytes of a message as the caller sees it; 0: 512 KiB
	MessageTimeout time.Duration // from a message's first byte to its last; 0: 60 s
	WriteTimeout   time.Duration // of one step of a Write; 0: 10 s
	CloseTimeout   time.Duration // how long a closing peer may take to answer; 0: 3 s
	Compression    bool          // accept permessage-deflate
	Keeper         *Keeper       // pings the connection and closes it when dead; nil: nobody does
}

// Code is a close code (RFC 6455 section 7.4.1).
type Code uint16

const (
	Normal      Code = 1000
	GoingAway   Code = 1001
	Protocol    Code = 1002
	Unsupported Code = 1003
	NoStatus    Code = 1005 // never sent: the peer's close frame named no code
	BadText     Code = 1007
	Policy      Code = 1008
	TooBig      Code = 1009
	Internal    Code = 1011
)

// CloseError is what Read returns when the peer has closed, or broken the
// protocol: Code then is what it was told.
type CloseError struct {
	Code   Code
	Reason string
	Peer   bool // the peer closed; otherwise this side did
}

func (e *CloseError) Error() string { return e.Reason }

// Msg is one text message: Head, or Head + Body.Raw + "]".
type Msg struct {
	Head []byte
	Body *Body
}

// Body is an event's bytes, shared by all who receive it. Its deflated form is
// made at most once, when the first connection asks for it.
type Body struct {
	Raw []byte // immutable
}
