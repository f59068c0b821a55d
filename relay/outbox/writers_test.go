package outbox

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

	"moa/nips/testwait"
	"moa/relay/shares"
	"moa/relay/ws"
)

// owner counts what it is told.
type owner struct{ slow int }

func (o *owner) Slow(int)     { o.slow++ }
func (o *owner) Failed(error) {}

// account is of an address that may have as much as it likes.
func account() *shares.Account { return ledger().NewAccount(false) }

func ledger() *shares.Ledger {
	l := shares.NewLedger(nil)
	l.SetBounds(&shares.Bounds{shares.Outbox: {Most: 1 << 40, Share: 1 << 40}})
	return l
}

// newWriters starts goroutines that nobody waits for: their outboxes' Close does.
func newWriters(most int, plain bool) *Writers {
	return NewWriters(Options{Most: most, Plain: plain, Start: func(_ string, f func()) { go f() }, Relieve: func(*shares.Account) {}})
}

// outboxes returns open outboxes whose writers are w, and their clients.
func outboxes(t testing.TB, w *Writers, n int) ([]*Outbox, []net.Conn) {
	t.Helper()
	conns := make(chan *ws.Conn, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Upgrade(w, r, nil); err == nil {
			conns <- c
		}
	}))
	t.Cleanup(server.Close)
	outs, clients := make([]*Outbox, n), make([]net.Conn, n)
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
		o := new(Outbox)
		o.Init(w, 1<<30, account(), new(owner))
		o.Open(conn)
		outs[i], clients[i] = o, nc
		t.Cleanup(func() {
			nc.Close()
			conn.CloseNow()
			o.Close()
		})
	}
	return outs, clients
}

// With a single writer, one client that does not read keeps nobody waiting, and
// gets all of it once it does.
func TestNoWriterWaitsForAClient(t *testing.T) {
	for _, plain := range []bool{false, true} {
		noWriterWaitsForAClient(t, newWriters(1, plain))
	}
}

func noWriterWaitsForAClient(t *testing.T, w *Writers) {
	t.Helper()
	defer w.Close()
	outs, clients := outboxes(t, w, 2)
	const size, many = 60_000, 400 // far more than sockets hold
	for i := range many {
		m := bytes.Repeat([]byte("x"), size)
		binary.BigEndian.PutUint32(m, uint32(i))
		outs[0].Offer(ws.Msg{Head: m})
	}
	for i := range 100 {
		text := strings.Repeat("y", 100) + fmt.Sprint(i)
		outs[1].Offer(ws.Msg{Head: []byte(text)})
		got := make([]byte, 2+len(text))
		clients[1].SetReadDeadline(time.Now().Add(testwait.Patience))
		if _, err := io.ReadFull(clients[1], got); err != nil || string(got[2:]) != text {
			t.Fatal(err, string(got))
		}
	}
	frame := make([]byte, 4+size)
	clients[0].SetReadDeadline(time.Now().Add(testwait.Patience))
	for i := range many {
		if _, err := io.ReadFull(clients[0], frame); err != nil {
			t.Fatal(err)
		}
		if n := binary.BigEndian.Uint32(frame[4:]); n != uint32(i) {
			t.Fatalf("message %d in place of %d", n, i)
		}
	}
	outs[0].Flush()
	outs[1].Flush()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running > 1 || w.queue.Len() > 0 {
		t.Errorf("%d run, %d in the queue", w.running, w.queue.Len())
	}
}

// What was queued in a batch waits until that is done, but for no longer than until
// there is something to be sent at once.
func TestABatchHoldsUpNoOthers(t *testing.T) {
	w := newWriters(1, false)
	defer w.Close()
	outs, clients := outboxes(t, w, 2)
	hear := func(c net.Conn, want string) {
		t.Helper()
		got := make([]byte, len(want))
		c.SetReadDeadline(time.Now().Add(testwait.Patience))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
	}
	batch := w.Batch()
	for _, o := range outs {
		batch.Offer(o, ws.Msg{Head: []byte("one")})
	}
	if w.queue.Len() != 2 || w.running != 0 {
		t.Fatalf("%d in the queue, %d run", w.queue.Len(), w.running)
	}
	outs[1].Offer(ws.Msg{Head: []byte("two")})
	hear(clients[1], "\x81\x03one\x81\x03two")
	hear(clients[0], "\x81\x03one")
	outs[0].Flush()
	outs[1].Flush()
	batch.Offer(outs[0], ws.Msg{Head: []byte("three")})
	batch.Done()
	hear(clients[0], "\x81\x05three")
}

// One event to each of many clients: the sockets' part is nearly all of it.
func BenchmarkDeliver(b *testing.B) {
	const many = 200
	w := newWriters(2, false)
	defer w.Close()
	outs, clients := outboxes(b, w, many)
	var readers sync.WaitGroup
	for _, nc := range clients {
		readers.Go(func() { io.Copy(io.Discard, nc) })
	}
	m := ws.Msg{Head: []byte(`["EVENT","sub",`), Body: &ws.Body{Raw: bytes.Repeat([]byte("e"), 700)}}
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range outs {
			o.Offer(m)
		}
		for _, o := range outs {
			o.Flush()
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
	w := newWriters(2, false)
	defer w.Close()
	const clients, messages = 150, 40
	outs, conns := outboxes(t, w, clients)
	var offering sync.WaitGroup
	for part := range 3 {
		offering.Go(func() {
			for n := range messages {
				batch := w.Batch()
				for i := part; i < clients; i += 3 {
					batch.Offer(outs[i], ws.Msg{Head: fmt.Appendf(nil, "%03d", n)})
				}
				batch.Done()
			}
		})
	}
	for i, nc := range conns {
		nc.SetReadDeadline(time.Now().Add(testwait.Patience))
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
