package relay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/relay/ws"
)

// outboxes returns open outboxes whose writers are w, and their clients.
func outboxes(t testing.TB, w *writers, n int) ([]*outbox, []net.Conn) {
	t.Helper()
	conns := make(chan *ws.Conn, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Upgrade(w, r, nil); err == nil {
			conns <- c
		}
	}))
	t.Cleanup(server.Close)
	outs, clients := make([]*outbox, n), make([]net.Conn, n)
	for i := range n {
		nc, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		conn := <-conns
		for head := []byte(nil); !bytes.HasSuffix(head, []byte("\r\n\r\n")); {
			b := make([]byte, 1)
			if _, err := nc.Read(b); err != nil {
				t.Fatal(err)
			}
			head = append(head, b...)
		}
		o := &outbox{writers: w, limit: 1 << 30, slow: func(int) {}}
		o.open(conn)
		outs[i], clients[i] = o, nc
		t.Cleanup(func() {
			nc.Close()
			conn.CloseNow()
			o.close()
		})
	}
	return outs, clients
}

// With a single writer, one client that does not read keeps nobody waiting, and
// gets all of it once it does.
func TestNoWriterWaitsForAClient(t *testing.T) {
	for _, plain := range []bool{false, true} {
		noWriterWaitsForAClient(t, &writers{tasks: new(tasks), most: 1, plain: plain})
	}
}

func noWriterWaitsForAClient(t *testing.T, w *writers) {
	t.Helper()
	defer w.close()
	outs, clients := outboxes(t, w, 2)
	const size, many = 60_000, 400 // far more than sockets hold
	for i := range many {
		m := bytes.Repeat([]byte("x"), size)
		binary.BigEndian.PutUint32(m, uint32(i))
		outs[0].offer(ws.Msg{Head: m})
	}
	for i := range 100 {
		text := strings.Repeat("y", 100) + fmt.Sprint(i)
		outs[1].offer(ws.Msg{Head: []byte(text)})
		got := make([]byte, 2+len(text))
		clients[1].SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadFull(clients[1], got); err != nil || string(got[2:]) != text {
			t.Fatal(err, string(got))
		}
	}
	frame := make([]byte, 4+size)
	clients[0].SetReadDeadline(time.Now().Add(30 * time.Second))
	for i := range many {
		if _, err := io.ReadFull(clients[0], frame); err != nil {
			t.Fatal(err)
		}
		if n := binary.BigEndian.Uint32(frame[4:]); n != uint32(i) {
			t.Fatalf("message %d in place of %d", n, i)
		}
	}
	outs[0].flush()
	outs[1].flush()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running > 1 || w.line.len() > 0 {
		t.Errorf("%d run, %d in line", w.running, w.line.len())
	}
}

// What was queued quietly waits for who serves the line, but for no longer than
// until there is something to be sent at once.
func TestQuietMessagesHoldUpNoOthers(t *testing.T) {
	w := &writers{tasks: new(tasks), most: 1}
	defer w.close()
	outs, clients := outboxes(t, w, 2)
	hear := func(c net.Conn, want string) {
		t.Helper()
		got := make([]byte, len(want))
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
	}
	for _, o := range outs {
		o.offerQuietly(ws.Msg{Head: []byte("one")})
	}
	if w.line.len() != 2 || w.running != 0 {
		t.Fatalf("%d in line, %d run", w.line.len(), w.running)
	}
	outs[1].offer(ws.Msg{Head: []byte("two")})
	hear(clients[1], "\x81\x03one\x81\x03two")
	hear(clients[0], "\x81\x03one")
	outs[0].flush()
	outs[1].flush()
	outs[0].offerQuietly(ws.Msg{Head: []byte("three")})
	w.serve()
	hear(clients[0], "\x81\x05three")
}

// One event to each of many clients: the sockets' part is nearly all of it.
func BenchmarkDeliver(b *testing.B) {
	const many = 200
	w := &writers{tasks: new(tasks), most: 2}
	defer w.close()
	outs, clients := outboxes(b, w, many)
	var readers sync.WaitGroup
	for _, nc := range clients {
		readers.Go(func() { io.Copy(io.Discard, nc) })
	}
	m := ws.Msg{Head: []byte(`["EVENT","sub",`), Body: &ws.Body{Raw: bytes.Repeat([]byte("e"), 700)}}
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range outs {
			o.offer(m)
		}
		for _, o := range outs {
			o.flush()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*many), "ns/delivery")
	for _, nc := range clients {
		nc.Close()
	}
	readers.Wait()
}

// Many clients that each get much, served by all who may at once: everything
// arrives, once and in order.
func TestWritersShareTheLine(t *testing.T) {
	w := &writers{tasks: new(tasks), most: 2}
	defer w.close()
	const clients, messages = 150, 40
	outs, conns := outboxes(t, w, clients)
	var offering sync.WaitGroup
	for part := range 3 {
		offering.Go(func() {
			for n := range messages {
				for i := part; i < clients; i += 3 {
					outs[i].offerQuietly(ws.Msg{Head: fmt.Appendf(nil, "%03d", n)})
				}
				w.serve()
			}
		})
	}
	for i, nc := range conns {
		nc.SetReadDeadline(time.Now().Add(30 * time.Second))
		got := make([]byte, 5*messages)
		if _, err := io.ReadFull(nc, got); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		for n := range messages {
			if want := fmt.Sprintf("\x81\x03%03d", n); string(got[5*n:5*n+5]) != want {
				t.Fatalf("client %d: %q in place of %q", i, got[5*n:5*n+5], want)
			}
		}
	}
	offering.Wait()
}
