package client

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/nips/wire"
)

func TestMain(m *testing.M) { testwait.VerifyTestMain(m) }

// heard notes what a connection hands on.
type heard struct{ lines []string }

func (h *heard) Event(sub, raw []byte) {
	h.lines = append(h.lines, "EVENT "+string(sub)+" "+string(raw))
}

func (h *heard) Reply(r *wire.Reply) {
	h.lines = append(h.lines, r.Verb.String()+" "+r.SubID+r.ID+r.Text)
}

func (h *heard) Broken(frame []byte, err error) { h.lines = append(h.lines, "broken "+string(frame)) }

// serve runs one websocket server connection and returns its URL.
func serve(t *testing.T, extensions func(httphead.Option) (httphead.Option, error), talk func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := (ws.Upgrader{Negotiate: extensions}).Upgrade(conn); err == nil {
			talk(conn)
		}
	}()
	return "ws://" + l.Addr().String()
}

// readFrame reads one frame of a client.
func readFrame(t *testing.T, conn net.Conn) (ws.Header, []byte) {
	head, err := ws.ReadHeader(conn)
	if err != nil {
		t.Error(err)
		return head, nil
	}
	payload := make([]byte, head.Length)
	if _, err := io.ReadFull(conn, payload); err != nil {
		t.Error(err)
	}
	return head, payload
}

// run connects, serves until the relay closes, and returns what came.
func run(t *testing.T, url string, o Options) []string {
	c, err := Dial(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	h := new(heard)
	var closed *CloseError
	if err := c.Serve(h); !errors.As(err, &closed) || closed.Code != 1000 {
		t.Errorf("Serve returned %v, want a normal close", err)
	}
	return h.lines
}

func goodbye(conn net.Conn) { ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye"))) }

func TestMessagesArriveWhole(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	url := serve(t, nil, func(conn net.Conn) {
		ws.WriteFrame(conn, ws.NewTextFrame([]byte(`["EVENT","a",{"id":1}]`)))
		ws.WriteFrame(conn, ws.NewTextFrame([]byte(` [ "EVENT" , "b" , {"id":2} ] `)))
		ws.WriteFrame(conn, ws.NewFrame(ws.OpText, false, []byte(`["EOSE"`)))
		ws.WriteFrame(conn, ws.NewPingFrame([]byte("hi")))
		ws.WriteFrame(conn, ws.NewFrame(ws.OpContinuation, true, []byte(`,"a"]`)))
		ws.WriteFrame(conn, ws.NewTextFrame([]byte(`["NOTICE","`+long+`"]`)))
		ws.WriteFrame(conn, ws.NewTextFrame([]byte(`{"not":"nostr"}`)))
		if head, payload := readFrame(t, conn); head.OpCode != ws.OpPong || len(payload) != 2 {
			t.Errorf("answer to a ping: %v, %d bytes", head, len(payload))
		}
		goodbye(conn)
	})
	want := []string{`EVENT a {"id":1}`, `EVENT b {"id":2}`, "EOSE a", "NOTICE " + long, `broken {"not":"nostr"}`}
	if got := run(t, url, Options{}); !slices.Equal(got, want) {
		t.Errorf("got %.300q", got)
	}
}

func TestCompressedMessagesArrive(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		agree := func(o httphead.Option) (httphead.Option, error) {
			params := map[string]string{}
			if fresh {
				params["server_no_context_takeover"] = ""
			}
			return httphead.NewOption("permessage-deflate", params), nil
		}
		texts := []string{`["NOTICE","` + strings.Repeat("one ", 20000) + `"]`, `["NOTICE","one one one"]`, `["NOTICE","two"]`}
		url := serve(t, agree, func(conn net.Conn) {
			var out bytes.Buffer
			w, _ := flate.NewWriter(&out, flate.BestSpeed)
			for _, text := range texts {
				out.Reset()
				if fresh {
					w.Reset(&out)
				}
				io.WriteString(w, text)
				w.Flush()
				f := ws.NewTextFrame(bytes.TrimSuffix(out.Bytes(), []byte{0, 0, 0xff, 0xff}))
				f.Header.Rsv = ws.Rsv(true, false, false)
				ws.WriteFrame(conn, f)
			}
			goodbye(conn)
		})
		got := run(t, url, Options{Compress: true})
		if len(got) != len(texts) || got[1] != "NOTICE one one one" || got[2] != "NOTICE two" {
			t.Errorf("fresh %v: got %.200q", fresh, got)
		}
	}
}

func TestServerReadsWhatIsSent(t *testing.T) {
	sizes := []int{0, 125, 126, 65535, 65536, 300_000}
	got := make(chan int, len(sizes)+1)
	url := serve(t, nil, func(conn net.Conn) {
		for range len(sizes) + 1 {
			head, payload := readFrame(t, conn)
			if !head.Masked {
				t.Error("a frame is not masked")
			}
			got <- len(payload)
		}
	})
	c, err := Dial(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, size := range sizes {
		c.Send(make([]byte, size))
	}
	c.Publish([]*event.Event{{Raw: []byte(`{}`)}})
	for _, size := range append(sizes, len(`["EVENT",{}]`)) {
		if n := <-got; n != size {
			t.Errorf("the server read %d bytes, want %d", n, size)
		}
	}
}

func TestContextEndsTheConnection(t *testing.T) {
	stop := make(chan struct{})
	url := serve(t, nil, func(net.Conn) { <-stop })
	defer close(stop)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Dial(ctx, url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := c.Serve(new(heard)); err != nil {
		t.Errorf("Serve returned %v after the end of the context", err)
	}
}

func TestManyConnectionsUseSeveralSources(t *testing.T) {
	for n, want := range map[int]string{0: "", 19999: "", 20000: "127.0.1.2", 40001: "127.0.1.3"} {
		if got := Source("ws://127.0.0.1:7447", n); got != want {
			t.Errorf("connection %d comes from %q, want %q", n, got, want)
		}
	}
	if got := Source("wss://relay.example.com", 50000); got != "" {
		t.Errorf("a remote relay is called from %q", got)
	}
	for url, want := range map[string]bool{"ws://localhost:1": true, "ws://[::1]:2": true, "ws://10.0.0.1": false, "wss://relay.example.com": false} {
		if Loopback(url) != want {
			t.Errorf("Loopback(%s) is not %v", url, want)
		}
	}
}
