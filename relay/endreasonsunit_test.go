package relay

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"moa/relay/ws"
)

// What the reader is told is what is counted: here what takes a minute, or TLS,
// to come about.
func TestReadingEnds(t *testing.T) {
	for want, errs := range map[dropReason][]error{
		dropDribble:  {ws.ErrSlow},
		dropPing:     {ws.ErrDead},
		dropClosed:   {&ws.CloseError{Code: ws.NoStatus, Peer: true}},
		dropProtocol: {&ws.CloseError{Code: ws.BadData}},
		dropGone:     {io.EOF, &net.OpError{Op: "read", Err: syscall.ECONNRESET}, io.ErrUnexpectedEOF},
		dropOther:    {ws.ErrClosed, errors.New("tls: bad record MAC")},
	} {
		for _, err := range errs {
			if got := readingEnded(err); got != want {
				t.Errorf("%v: %s, want %s", err, got, want)
			}
		}
	}
}
