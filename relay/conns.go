package relay

import (
	"maps"
	"slices"
	"sync"

	"moa/relay/origin"
	"moa/relay/shares"
)

// conns are the open connections.
type conns struct {
	ledger *shares.Ledger

	mu       sync.Mutex // guards the following
	sessions map[*session]struct{}
	from     map[accountKey]*account // by network
	open     int                     // sessions, and handshakes under way
	closed   bool                    // no more are accepted
}

func newConns(l *shares.Ledger) *conns {
	return &conns{ledger: l, sessions: map[*session]struct{}{}, from: map[accountKey]*account{}}
}

// reserve takes a place for a connection, whose account it returns.
func (c *conns) reserve(of origin.Origin, l *Limits) (*account, refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := accountKey{origin.Network(of.IP), of.Local}
	a := c.from[key]
	switch {
	case c.closed:
		return nil, refuseDrain
	case l.Connections > 0 && c.open >= l.Connections:
		return nil, refuseFull
	case l.ConnectionsPerIP > 0 && !of.Local && a != nil && a.uses >= l.ConnectionsPerIP:
		return nil, refusePerIP
	case a == nil:
		a = newAccount(c.ledger, key)
		c.from[key] = a
	}
	c.open++
	a.uses++
	return a, ""
}

// release gives a place back.
func (c *conns) release(a *account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if a.uses--; a.uses == 0 {
		delete(c.from, a.accountKey)
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
