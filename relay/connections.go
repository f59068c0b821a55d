package relay

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"moa/nips/event"
)

// Connection is an open connection, as an operator sees it.
type Connection struct {
	ID            uint64         `json:"id"` // of this run of the relay, in the order in which they came
	Address       netip.Addr     `json:"address"`
	Local         bool           `json:"local,omitempty"` // from this machine: the limits by address do not count
	Host          string         `json:"host"`            // that the client connected to
	Path          string         `json:"path,omitempty"`
	Since         time.Time      `json:"since"`
	Keys          []event.PubKey `json:"keys"` // that the client has proved to be (NIP-42)
	Subscriptions int            `json:"subscriptions"`
	Queued        int            `json:"queued_bytes"` // that wait for the client to read
	Sent          int64          `json:"sent_bytes"`   // written to the socket, those of TLS aside
}

// Connections are those that are open, the oldest first.
func (s *Server) Connections() []Connection {
	list := []Connection{}
	for _, c := range s.conns.list() {
		list = append(list, Connection{
			ID: c.id, Address: c.ip, Local: c.local, Host: c.Host(), Path: c.Path(),
			Since: time.Unix(c.since, 0).UTC(), Keys: append([]event.PubKey{}, c.Authed()...),
			Subscriptions: int(c.reqs.Load()), Queued: c.out.Load(), Sent: c.conn.Written(),
		})
	}
	slices.SortFunc(list, func(a, b Connection) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Disconnect ends connections for an operator, and returns how many. What their clients
// have sent before is decided still.
func (s *Server) Disconnect(ids []uint64) (ended int) {
	which := make(map[uint64]struct{}, len(ids))
	for _, id := range ids {
		which[id] = struct{}{}
	}
	for _, c := range s.conns.list() {
		if _, is := which[c.id]; is && c.leaves(dropOperator) {
			s.log.Info("connection ended by the operator", "conn", c.id, "ip", c.ip)
			c.conn.CloseNow()
			ended++
		}
	}
	return ended
}
