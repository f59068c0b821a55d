package khatru

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/fiatjaf/khatru"

	"moa/nips/event"
	"moa/policy"
)

// engineClient is what the door needs of a connection besides policy.Client.
// The sessions of package relay offer it; hooks that ask for authentication or
// write to their connection do nothing for a client that does not.
type engineClient interface {
	Challenge() string        // of NIP-42; makes one if there is none yet
	RequestAuth()             // sends it, unless that was done before; never waits
	Send(message []byte) bool // queues a relay message; never waits
}

// conn is khatru's view of one of our connections. The WebSocket behind it is
// made for the first hook that asks, so that hooks which never look at their
// connection cost it nothing.
type conn struct {
	// Fixed once made.
	d      *Door
	client policy.Client // nil: no connection, an import for instance
	r      *http.Request
	ctx    context.Context
	cancel context.CancelFunc

	gate gate // held by every hook, and against them when identity changes

	mu     sync.Mutex // guards the following
	ws     *khatru.WebSocket
	pubkey event.PubKey // the last one proved
	proved bool
}

func (d *Door) newConn(c policy.Client, r *http.Request) *conn {
	cn := &conn{d: d, client: c, r: r}
	cn.ctx, cn.cancel = context.WithCancel(d.life)
	return cn
}

// conn returns the connection of c. For one that has gone, or that came before
// the door was there, one is made up from what c says. Of a client that is no
// connection at all, an import for instance, hooks see none.
func (d *Door) conn(c policy.Client) *conn {
	if c == nil {
		return &conn{d: d, ctx: d.life}
	}
	if v, ok := d.conns.Load(c.ID()); ok {
		return v.(*conn)
	}
	if !c.IP().IsValid() {
		return &conn{d: d, ctx: d.life}
	}
	cn := &conn{d: d, client: c, ctx: d.life, r: &http.Request{
		Method: http.MethodGet, Host: c.Host(), URL: &url.URL{Path: "/" + strings.TrimPrefix(c.Path(), "/")}, Header: http.Header{},
		RemoteAddr: net.JoinHostPort(c.IP().String(), "0"),
	}}
	cn.identify()
	return cn
}

// do runs a hook on behalf of the connection's own goroutine.
func (c *conn) do(subID string, hook func(ctx context.Context)) {
	c.identify()
	c.run(c.ctx, subID, hook)
}

// run runs a hook. It does not look whether the client has proved another
// identity meanwhile, and so waits for nobody.
func (c *conn) run(ctx context.Context, subID string, hook func(ctx context.Context)) {
	c.gate.enter()
	defer c.gate.leave()
	hook(hookContext{Context: ctx, c: c, subID: subID})
}

// identify takes over whom the client has proved to be. khatru knows one
// public key a connection: the last. It waits for hooks of this connection
// that are running, and is called by the connection's own goroutine only.
func (c *conn) identify() {
	if c.client == nil {
		return
	}
	authed := c.client.Authed()
	if len(authed) == 0 {
		return
	}
	if last := authed[len(authed)-1]; !c.is(last) {
		c.gate.change(func() { c.become(last) })
	}
}

func (c *conn) is(pk event.PubKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proved && c.pubkey == pk
}

func (c *conn) become(pk event.PubKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.proved
	c.pubkey, c.proved = pk, true
	if c.ws == nil {
		return
	}
	c.ws.AuthedPublicKey = pk.String()
	if first {
		close(c.ws.Authed)
	}
}

// webSocket returns khatru's object for this connection, always the same one,
// or nil if there is no connection.
func (c *conn) webSocket() *khatru.WebSocket {
	if c.client == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != nil {
		return c.ws
	}
	send, challenge := func([]byte) {}, ""
	if ec, ok := c.client.(engineClient); ok {
		send, challenge = sender(ec), ec.Challenge()
	}
	ws, err := c.d.mint.make(c.ctx, c.r, send)
	if err != nil {
		panic(err) // New has proved that it works
	}
	ws.Challenge = challenge
	if c.proved {
		ws.AuthedPublicKey = c.pubkey.String()
		close(ws.Authed)
	}
	c.ws = ws
	return ws
}

// hookContext is what a hook receives: it answers the keys that khatru's
// helpers ask for.
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
