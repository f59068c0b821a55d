package relay

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"unique"

	"moa/nips/event"
	"moa/nips/nip42"
	"moa/nips/wire"
	"moa/relay/origin"
	"moa/relay/outbox"
	"moa/relay/ws"
)

// client is the one at the other end of a connection, as the relay's parts know it:
// where it is, which public keys it has proved, what it may hold, and what waits
// for it to read. It is what a policy is asked about (policy.Client).
type client struct {
	out outbox.Outbox // first: it begins with what a delivery touches

	// Owned by the goroutine that leads the fan-out.
	asked uint64 // the nth of the live event that seen is about
	seen  bool   // the client may see it

	local      bool // on this machine, for certain; fixed once made
	challenged bool // the challenge was sent; guarded by mu

	left    atomic.Bool    // why the connection ends is counted
	open    atomic.Int32   // tickets at the writer
	tickets sync.WaitGroup // the same, to wait for
	filters atomic.Int64   // bytes of those that are open
	reqs    atomic.Int32   // that are open

	// Fixed once made.
	*shared
	id      uint64
	ip      netip.Addr
	account *account                      // of its address
	to      unique.Handle[origin.Address] // that the client connected to
	conn    *ws.Conn                      // nil: it comes by no WebSocket
	since   int64                         // when it connected, Unix seconds

	authed atomic.Pointer[[]event.PubKey] // nil: none

	mu        sync.Mutex // guards the following
	challenge string     // of NIP-42; "": none made yet
}

// init makes c the client from there.
func (c *client) init(s *shared, from origin.Origin, a *account) {
	c.shared, c.id, c.ip, c.local, c.account, c.to = s, s.lastID.Add(1), from.IP, from.Local, a, from.To
	c.since = s.now().Unix()
	c.out.Init(s.writers, s.limits.OutboxBytes, a.Account, c)
}

// The methods of policy.Client.

func (c *client) ID() uint64 { return c.id }

func (c *client) IP() netip.Addr { return c.ip }

func (c *client) Local() bool { return c.local }

func (c *client) Host() string { return c.to.Value().Host }

func (c *client) Path() string { return c.to.Value().Path }

func (c *client) Authed() []event.PubKey {
	if p := c.authed.Load(); p != nil {
		return *p
	}
	return nil
}

// Challenge returns the connection's NIP-42 challenge, made when first asked
// for. It does not send it.
func (c *client) Challenge() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.challenge == "" {
		c.challenge = nip42.NewChallenge()
	}
	return c.challenge
}

// Send queues a message as it stands. It never waits; false: the connection is
// over. The session keeps message.
func (c *client) Send(message []byte) bool { return c.out.Offer(ws.Msg{Head: message}) }

// RequestAuth sends the NIP-42 challenge if that has not been done yet. It never
// waits.
// Clients hold things back while a challenge is open, so it is not sent before
// something needs it.
func (c *client) RequestAuth() {
	challenge := c.Challenge()
	c.mu.Lock()
	sent := c.challenged
	c.challenged = true
	c.mu.Unlock()
	if !sent {
		c.Send(wire.AppendAuth(nil, challenge))
	}
}

// identify adds an identity; all that were proved stay.
func (c *client) identify(pk event.PubKey) bool {
	known := c.Authed()
	if slices.Contains(known, pk) {
		return true
	}
	if len(known) >= maxIdentities {
		return false
	}
	all := append(slices.Clone(known), pk)
	c.authed.Store(&all)
	return true
}

// The methods of a submitter.

func (c *client) source() source {
	if c.account.free {
		return source{conn: c.id}
	}
	return source{net: c.account.net}
}

func (c *client) box() *outbox.Outbox { return &c.out }

func (c *client) resolved() {
	c.open.Add(-1)
	c.tickets.Done()
}

// maxIdentities is how many public keys one connection may prove to be.
const maxIdentities = 64
