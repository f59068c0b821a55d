package khatru

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fiatjaf/khatru"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// mint makes *khatru.WebSocket values whose writes arrive at a function of
// ours. It runs khatru's own handshake over a connection in memory, so that
// every field, exported or not, is what khatru itself would have set. Reads
// from that connection end at once, which ends khatru's goroutine for it.
type mint struct{ donor *khatru.Relay }

type mintKey struct{}

func newMint() *mint {
	m := &mint{donor: khatru.NewRelay()}
	m.donor.OnConnect = append(m.donor.OnConnect, func(ctx context.Context) {
		ws := khatru.GetConnection(ctx)
		ws.Request.Context().Value(mintKey{}).(chan *khatru.WebSocket) <- ws
	})
	return m
}

var errMint = errors.New("khatru: the handshake in memory did not work: another version of khatru?")

// prove makes one and writes through it, so that a khatru that works in
// another way fails at start.
func (m *mint) prove() error {
	r, err := http.NewRequest("GET", "http://localhost/", nil)
	if err != nil {
		return err
	}
	got := ""
	ws, err := m.make(context.Background(), r, func(message []byte) { got = string(message) })
	if err != nil {
		return err
	}
	if err := ws.WriteJSON([]string{"NOTICE", "hello"}); err != nil || got != `["NOTICE","hello"]` {
		return errMint
	}
	return nil
}

// make returns a WebSocket for the request r. What is written to it as text
// goes to send, a message a call.
func (m *mint) make(ctx context.Context, r *http.Request, send func(message []byte)) (*khatru.WebSocket, error) {
	made := make(chan *khatru.WebSocket, 1)
	handshake := (&http.Request{
		Method: "GET", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Host: r.Host, URL: r.URL, RemoteAddr: r.RemoteAddr,
		Header: http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
		},
	}).WithContext(context.WithValue(ctx, mintKey{}, made))
	m.donor.HandleWebsocket(&hijacker{conn: &memConn{send: send}}, handshake)
	select {
	case ws := <-made:
		ws.Request, ws.Context = r, ctx
		ws.Authed = make(chan struct{}) // there from the start: RequestAuth makes none
		return ws, nil
	case <-time.After(5 * time.Second):
		return nil, errMint
	}
}

// hijacker is a ResponseWriter that gives away its connection.
type hijacker struct {
	conn   *memConn
	header http.Header
}

func (h *hijacker) Header() http.Header {
	if h.header == nil {
		h.header = http.Header{}
	}
	return h.header
}
func (h *hijacker) WriteHeader(int)             {}
func (h *hijacker) Write(b []byte) (int, error) { return len(b), nil }

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, 16), bufio.NewWriterSize(h.conn, 16)), nil
}

// memConn is the network end of a minted WebSocket: there is nothing to read,
// and what is written is decoded from server frames.
type memConn struct {
	mu       sync.Mutex // guards the following
	accepted bool       // the handshake's answer has gone by
	buf      bytes.Buffer
	send     func(message []byte)
}

func (c *memConn) Read([]byte) (int, error) { return 0, io.EOF }

func (c *memConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.buf.Write(p)
	messages := c.messages()
	c.mu.Unlock()
	for _, m := range messages {
		c.send(m)
	}
	return len(p), nil
}

// messages takes the complete text messages off buf. khatru writes a message
// as one frame or as fragments in one go.
func (c *memConn) messages() (out [][]byte) {
	if !c.accepted {
		i := bytes.Index(c.buf.Bytes(), []byte("\r\n\r\n"))
		if i < 0 {
			return nil
		}
		c.buf.Next(i + 4)
		c.accepted = true
	}
	for {
		rest := bytes.NewReader(c.buf.Bytes())
		message, op, err := wsutil.ReadServerData(readOnly{rest})
		if err != nil {
			return out // not whole yet
		}
		c.buf.Next(c.buf.Len() - rest.Len())
		if op == ws.OpText {
			out = append(out, bytes.TrimRight(message, "\n"))
		}
	}
}

// readOnly discards the answers to control frames.
type readOnly struct{ io.Reader }

func (readOnly) Write(p []byte) (int, error) { return len(p), nil }

func (c *memConn) Close() error                     { return nil }
func (c *memConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *memConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }
