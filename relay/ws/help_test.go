package ws

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"moa/nips/testwait"
)

func TestMain(m *testing.M) { testwait.VerifyTestMain(m) }

// start serves each connection with serve, on a goroutine of its own, and
// returns the server's address. The test's end waits for all of them.
func start(t testing.TB, o *Options, serve func(*Conn)) (addr string) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex // guards the following
	var conns []*Conn
	var over bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Upgrade(w, r, o)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if conns = append(conns, c); over {
			c.CloseNow()
			return
		}
		wg.Go(func() {
			defer c.CloseNow()
			serve(c)
		})
	}))
	t.Cleanup(func() {
		srv.Close()
		mu.Lock()
		over = true
		all := conns
		mu.Unlock()
		for _, c := range all {
			c.CloseNow()
		}
		wg.Wait()
	})
	return srv.Listener.Addr().String()
}

// part tells a peer that has broken the protocol so, if err says that.
func part(c *Conn, err error) {
	if e, ok := err.(*CloseError); ok && !e.Peer {
		c.Part(e.Code, e.Reason)
	}
}

func echo(c *Conn) {
	for {
		msg, err := c.Read()
		part(c, err)
		if err != nil {
			return
		}
		if c.Write([]Msg{{Head: msg}}) != nil {
			return
		}
	}
}

// peer is a client that says exactly what a test wants.
type peer struct {
	net.Conn
	in *bufio.Reader
	t  testing.TB
}

const deflateOffer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

func dial(t testing.TB, addr string, header ...string) *peer {
	t.Helper()
	nc := rawDial(t, addr)
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", strings.Join(header, ""))
	p := &peer{nc, bufio.NewReader(nc), t}
	res, err := http.ReadResponse(p.in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %v %v", res, err)
	}
	return p
}

// frame builds a masked client frame. first is the byte of FIN, RSV and opcode.
func frame(first byte, payload string) []byte {
	h := ws.Header{
		Fin: first&0x80 != 0, Rsv: first >> 4 & 7, OpCode: ws.OpCode(first & 15),
		Masked: true, Mask: [4]byte{1, 0xf2, 3, 0xa4}, Length: int64(len(payload)),
	}
	var b strings.Builder
	ws.WriteHeader(&b, h)
	body := []byte(payload)
	ws.Cipher(body, h.Mask, 0)
	return append([]byte(b.String()), body...)
}

func (p *peer) send(frames ...[]byte) {
	for _, f := range frames {
		if _, err := p.Write(f); err != nil {
			p.t.Logf("send: %v", err) // the server may be gone, as it should
			return
		}
	}
}

// next returns the next frame as text: its first byte in hex and its payload.
func (p *peer) next() (string, error) {
	h, err := ws.ReadHeader(p.in)
	if err != nil {
		return "", err
	}
	body := make([]byte, h.Length)
	if _, err := io.ReadFull(p.in, body); err != nil {
		return "", err
	}
	first := byte(h.OpCode) | h.Rsv<<4
	if h.Fin {
		first |= 0x80
	}
	if h.OpCode == ws.OpClose && len(body) >= 2 {
		return fmt.Sprintf("88 %d", int(body[0])<<8|int(body[1])), nil
	}
	return fmt.Sprintf("%02x %s", first, body), nil
}

func (p *peer) expect(want ...string) {
	p.t.Helper()
	for _, w := range want {
		got, err := p.next()
		if err != nil || got != w {
			p.t.Fatalf("got %.80q, %v; want %.80q", got, err, w)
		}
	}
}

func rawDial(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(testwait.Patience))
	return nc
}
