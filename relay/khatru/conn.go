package khatru

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/fiatjaf/khatru"

	"moa/policy"
)

// engineClient is what the door needs of a connection besides policy.Client.
// The sessions of package relay offer it; hooks that ask for authentication or
// write to their connection do nothing for a client that does not.
type engineClient interface {
	Challenge() string        // of NIP-42; makes one if there is none yet
	Send(message []byte) bool // queues a relay message; never waits
}

// conn is khatru's view of one of our connections. The WebSocket behind it is
// made for the first hook that asks, so that hooks which never look at their
// connection cost it nothing.
type conn struct {
	d      *Door
	client policy.Client // nil: no connection, an import for instance
	r      *http.Request
	ctx    context.Context
	cancel context.CancelFunc

	// order keeps a change of identity and the hooks that read it apart, for
	// khatru's AuthedPublicKey is a plain field: hooks run under RLock.
	order sync.RWMutex

	mu     sync.Mutex // guards the following; taken after order
	ws     *khatru.WebSocket
	pubkey string // the last one proved, hex
}

func (d *Door) newConn(c policy.Client, r *http.Request) *conn {
	cn := &conn{d: d, client: c, r: r}
	cn.ctx, cn.cancel = context.WithCancel(context.Background())
	return cn
}

// conn returns the connection of c. Of a client that never connected, an
// import for instance, hooks see no connection.
func (d *Door) conn(c policy.Client) *conn {
	if c != nil {
		if v, ok := d.conns.Load(c.ID()); ok {
			return v.(*conn)
		}
	}
	return &conn{d: d, ctx: context.Background()}
}

// do runs a hook while the connection's identity cannot change.
func (c *conn) do(hook func(ctx context.Context)) { c.doFor("", hook) }

func (c *conn) doFor(subID string, hook func(ctx context.Context)) {
	c.identify()
	c.order.RLock()
	defer c.order.RUnlock()
	hook(hookContext{Context: c.ctx, c: c, subID: subID})
}

// identify takes over whom the client has proved to be. khatru knows one
// public key a connection: the last.
func (c *conn) identify() {
	if c.client == nil {
		return
	}
	authed := c.client.Authed()
	if len(authed) == 0 {
		return
	}
	pubkey := authed[len(authed)-1].String()
	if c.knows(pubkey) {
		return
	}
	c.order.Lock()
	defer c.order.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.pubkey == ""
	c.pubkey = pubkey
	if c.ws != nil {
		c.ws.AuthedPublicKey = pubkey
		if first {
			close(c.ws.Authed)
		}
	}
}

func (c *conn) knows(pubkey string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pubkey == pubkey
}

// webSocket returns khatru's object for this connection, always the same one,
// or nil if there is no connection.
func (c *conn) webSocket() *khatru.WebSocket {
	if c.client == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws == nil {
		send := func([]byte) {}
		challenge := ""
		if ec, ok := c.client.(engineClient); ok {
			send = func(message []byte) { ec.Send(message) }
			challenge = ec.Challenge()
		}
		ws, err := c.d.mint.make(c.ctx, c.r, send)
		if err != nil {
			panic(err) // New has proved that it works
		}
		ws.Challenge, ws.AuthedPublicKey = challenge, c.pubkey
		if c.pubkey != "" {
			close(ws.Authed)
		}
		c.ws = ws
	}
	return c.ws
}

// hookContext is what a hook receives: it ends with the connection and
// answers the keys that khatru's helpers ask for.
type hookContext struct {
	context.Context
	c     *conn
	subID string
}

func (x hookContext) Value(key any) any {
	switch key {
	case x.c.d.keys.connection:
		if ws := x.c.webSocket(); ws != nil {
			return ws
		}
		return nil
	case x.c.d.keys.subscription:
		return x.subID
	}
	return x.Context.Value(key)
}

// trusted returns r as hooks may see it: from the address that moa trusts,
// without the headers in which anybody can write another one.
func trusted(r *http.Request, c policy.Client) *http.Request {
	r = r.Clone(context.Background())
	for _, h := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"} {
		r.Header.Del(h)
	}
	if ip := c.IP(); ip.IsValid() {
		_, port, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			port = "0"
		}
		r.RemoteAddr = net.JoinHostPort(ip.String(), port)
	}
	return r
}
