package relay

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"moa/relay/origin"
)

// handshakes are the TCP connections that are no WebSocket (yet), as
// http.Server.ConnState tells of them. They hold no place among the connections,
// and timeouts end those that say or read nothing; this bounds how many of them
// there are until then. When there are too many, the address that has the most
// of them loses its oldest: a client that opens many shuts out no other address.
type handshakes struct {
	most    int
	dropped prometheus.Counter

	mu   sync.Mutex // guards the following
	open map[net.Conn]*list.Element
	from map[netip.Addr]*list.List // of net.Conn by network, the oldest first
}

func newHandshakes(most int, dropped prometheus.Counter) *handshakes {
	return &handshakes{most: most, dropped: dropped, open: map[net.Conn]*list.Element{}, from: map[netip.Addr]*list.List{}}
}

func (h *handshakes) state(c net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		if over := h.add(c); over != nil {
			h.dropped.Inc()
			over.Close() // net/http notices, and tells of its end
		}
	case http.StateHijacked, http.StateClosed:
		h.mu.Lock()
		h.removeLocked(c)
		h.mu.Unlock()
	}
}

// add takes c in, and returns the connection that has to go for it, or nil.
func (h *handshakes) add(c net.Conn) (over net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.open) >= h.most {
		var worst *list.List
		for _, l := range h.from {
			if worst == nil || l.Len() > worst.Len() {
				worst = l
			}
		}
		over = worst.Front().Value.(net.Conn)
		h.removeLocked(over)
	}
	from := h.networkOf(c)
	if h.from[from] == nil {
		h.from[from] = list.New()
	}
	h.open[c] = h.from[from].PushBack(c)
	return over
}

func (h *handshakes) removeLocked(c net.Conn) {
	at, ok := h.open[c]
	if !ok {
		return // it had to go
	}
	delete(h.open, c)
	from := h.networkOf(c)
	if h.from[from].Remove(at); h.from[from].Len() == 0 {
		delete(h.from, from)
	}
}

func (h *handshakes) networkOf(c net.Conn) netip.Addr {
	return origin.Network(origin.Peer(c.RemoteAddr().String()))
}
