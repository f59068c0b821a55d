package relay

import (
	"net"
	"net/http"
	"sync/atomic"
)

// maxHandshakes is how many TCP connections may be open that are no WebSocket
// (yet). They hold no place among the connections, and ReadHeaderTimeout ends
// those that say nothing; this bounds how many of them there are until then.
const maxHandshakes = 4096

// handshakes counts them, as http.Server.ConnState tells.
type handshakes struct{ open atomic.Int64 }

func (h *handshakes) state(c net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		if h.open.Add(1) > maxHandshakes {
			c.Close() // net/http notices, and tells of its end below
		}
	case http.StateHijacked, http.StateClosed:
		h.open.Add(-1)
	}
}
