package relay

import (
	"net"
	"net/http"
	"testing"
)

// closing notes that it was closed.
type closing struct {
	net.Conn
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func TestOnlySoManyConnectionsMaySayNothing(t *testing.T) {
	var h handshakes
	first := new(closing)
	h.state(first, http.StateNew)
	for range maxHandshakes - 1 {
		h.state(first, http.StateNew)
	}
	over := new(closing)
	h.state(over, http.StateNew)
	if first.closed || !over.closed {
		t.Errorf("closed: the first %v, the one too many %v", first.closed, over.closed)
	}
	h.state(over, http.StateClosed)
	h.state(first, http.StateHijacked) // a WebSocket now
	next := new(closing)
	h.state(next, http.StateNew)
	if next.closed {
		t.Error("a place was not given back")
	}
}
