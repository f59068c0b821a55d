package khatru

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/fiatjaf/khatru"
)

// mint makes *khatru.WebSocket values whose writes arrive at a function of
// ours. It runs khatru's own handshake over a connection in memory, so that
// every field, exported or not, is what khatru itself would have set. Reads
// from that connection end at once, which ends khatru's goroutines for it.
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
	r, err := http.NewRequest(http.MethodGet, "http://localhost/", http.NoBody)
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
		Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Host: r.Host, URL: r.URL, RemoteAddr: r.RemoteAddr,
		Header: http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
		},
	}).WithContext(context.WithValue(ctx, mintKey{}, made))
	conn := &memConn{send: send}
	m.donor.HandleWebsocket(&hijacker{conn: conn}, handshake)
	if !conn.handshaken() {
		return nil, errMint // and OnConnect will not be called
	}
	ws := <-made
	ws.Request, ws.Context = r, ctx
	ws.Authed = make(chan struct{}) // there from the start: RequestAuth makes none
	return ws, nil
}

// sender is where the hooks' messages go. The challenge goes the engine's own
// way: a client that is asked twice may have to sign twice.
func sender(c engineClient) func(message []byte) {
	return func(message []byte) {
		if bytes.HasPrefix(message, []byte(`["AUTH",`)) {
			c.RequestAuth()
			return
		}
		c.Send(message)
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
