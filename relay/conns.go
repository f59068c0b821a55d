package relay

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// conns are the open connections.
type conns struct {
	mu       sync.Mutex // guards the following
	sessions map[*session]struct{}
	from     map[netip.Addr]int // by network, loopback left out
	open     int                // sessions, and handshakes under way
	closed   bool               // no more are accepted
}

func newConns() *conns {
	return &conns{sessions: map[*session]struct{}{}, from: map[netip.Addr]int{}}
}

// reserve takes a place for a connection from ip; "": it is free to come in.
func (c *conns) reserve(ip netip.Addr, l *Limits) refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	net := network(ip)
	switch {
	case c.closed:
		return refuseDrain
	case l.Connections > 0 && c.open >= l.Connections:
		return refuseFull
	case l.ConnectionsPerIP > 0 && c.from[net] >= l.ConnectionsPerIP:
		return refusePerIP
	}
	c.open++
	if !ip.IsLoopback() {
		c.from[net]++
	}
	return ""
}

// release gives a place back.
func (c *conns) release(ip netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	net := network(ip)
	if c.from[net]--; c.from[net] <= 0 {
		delete(c.from, net)
	}
}

// add takes a session in. False: it came too late.
func (c *conns) add(s *session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.sessions[s] = struct{}{}
	return true
}

func (c *conns) remove(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, s)
}

// close lets no more in and returns those that are.
func (c *conns) close() []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return slices.Collect(maps.Keys(c.sessions))
}

// list returns the sessions there are.
func (c *conns) list() []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.sessions))
}

// len is how many sessions there are.
func (c *conns) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sessions)
}
