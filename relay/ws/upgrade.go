package ws

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// Upgrade answers a websocket handshake and takes the connection away from
// net/http. When it fails it has answered the client. The caller should serve
// the Conn on a goroutine of its own and return from its handler: net/http's
// buffers and stack are freed then. o may be shared; nil stands for defaults.
func Upgrade(w http.ResponseWriter, r *http.Request, o *Options) (*Conn, error) {
	o = o.WithDefaults()
	r = joined(r)
	up := ws.HTTPUpgrader{Timeout: o.WriteTimeout}
	deflate := false
	if o.Compression {
		up.Negotiate = func(offer httphead.Option) (answer httphead.Option, _ error) {
			if !deflate {
				answer, deflate = negotiate(offer)
			}
			return answer, nil
		}
	}
	nc, rw, _, err := up.Upgrade(r, w)
	if err != nil {
		if nc != nil {
			nc.Close()
		}
		return nil, fmt.Errorf("ws: handshake: %w", err)
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	return newConn(nc, o, deflate, early), nil
}

// Wanted reports a request that asks for a websocket.
func Wanted(r *http.Request) bool { return lists(r.Header, "Upgrade", "websocket") }

// joined returns the request with one line for each of the headers that are lists:
// the library looks at the first line only, and there may be several.
func joined(r *http.Request) *http.Request {
	for name, token := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket"} {
		if r.Header.Get(name) != token && lists(r.Header, name, token) {
			r = r.Clone(r.Context())
			r.Header.Set(name, token)
		}
	}
	return r
}

// lists reports that one of the elements of a header is token, in any case.
func lists(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for element := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(element), token) {
				return true
			}
		}
	}
	return false
}

// negotiate answers one extension offer (RFC 7692 section 7.1), the zero
// Option if it declines. Neither side keeps context; a client that wants our
// window smaller than 32 KiB is served without compression.
func negotiate(offer httphead.Option) (answer httphead.Option, ok bool) {
	var asked wsflate.Parameters
	if string(offer.Name) != wsflate.ExtensionName || asked.Parse(offer) != nil {
		return answer, false
	}
	const fullWindow = 15
	if asked.ServerMaxWindowBits.Defined() && asked.ServerMaxWindowBits != fullWindow {
		return answer, false
	}
	return wsflate.Parameters{
		ServerNoContextTakeover: true,
		ClientNoContextTakeover: true,
		ServerMaxWindowBits:     asked.ServerMaxWindowBits,
	}.Option(), true
}

func newConn(nc net.Conn, o *Options, deflate bool, early []byte) *Conn {
	c := &Conn{opt: o, conn: nc, deflate: deflate}
	c.raw = rawConn(nc)
	if c.raw != nil {
		c.readFD, c.fd = c.tryRead, fdOf(c.raw)
	} else {
		c.first = new([16]byte)
	}
	if len(early) > 0 {
		c.in = takeInbox(len(early) > smallSize, nil)
		c.in.w = copy(c.in.b, early)
	}
	if o.Keeper != nil {
		o.Keeper.add(c)
	}
	return c
}
