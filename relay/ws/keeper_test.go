package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moa/nips/testwait"
)

// A client that answers pings stays, though it says nothing else; one that does
// not is cut at the second visit.
func TestKeeper(t *testing.T) {
	k := new(Keeper) // it does not run: the test makes its visits
	conns := make(chan *Conn, 1)
	ends := map[*Conn]chan error{}
	var mu sync.Mutex // guards ends
	addr := start(t, &Options{Keeper: k}, func(c *Conn) {
		end := make(chan error, 1)
		mu.Lock()
		ends[c] = end
		mu.Unlock()
		conns <- c
		_, err := c.Read()
		end <- err
	})
	live := dial(t, addr)
	alive := <-conns
	dial(t, addr)
	silent := <-conns
	if k.Len() != 2 {
		t.Fatalf("%d are kept", k.Len())
	}
	var pings sync.WaitGroup
	for visit := range 5 {
		k.visit(alive, &pings)
		live.expect("89 ")
		live.send(frame(0x8a, ""))
		testwait.Eventually(t, "the pong is heard", alive.heard.Load)
		if visit < 2 {
			k.visit(silent, &pings)
		}
		if silent.dead.Load() != (visit > 0) {
			t.Fatalf("after visit %d: dead: %v", visit, silent.dead.Load())
		}
	}
	if err := <-ends[silent]; !errors.Is(err, ErrDead) {
		t.Fatal(err)
	}
	if alive.dead.Load() {
		t.Fatal("the living one was cut")
	}
	live.Close()
	<-ends[alive]
	testwait.Eventually(t, "none is kept", func() bool { return k.Len() == 0 })
}

// A Keeper that runs cuts a silent connection by itself.
func TestKeeperRuns(t *testing.T) {
	k := &Keeper{Every: 100 * time.Millisecond}
	ended := make(chan error, 1)
	addr := start(t, &Options{Keeper: k}, func(c *Conn) {
		_, err := c.Read()
		ended <- err
	})
	keep(t, k)
	dial(t, addr)
	if err := <-ended; !errors.Is(err, ErrDead) {
		t.Fatal(err)
	}
}

// keep runs a Keeper until the test ends.
func keep(t *testing.T, k *Keeper) {
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { k.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
}

// TLS, of which the socket cannot be asked, works as well: messages, pings,
// a dead peer, the close handshake.
func TestTLS(t *testing.T) {
	k := new(Keeper) // it does not run: the test makes its visits
	o := &Options{Keeper: k, Compression: true}
	var wg, pings sync.WaitGroup
	conns := make(chan *Conn, 1)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := Upgrade(w, r, o); err == nil {
			wg.Go(func() { defer c.CloseNow(); echo(c) })
			conns <- c
		}
	}))
	defer wg.Wait()
	defer srv.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, srv.URL, &websocket.DialOptions{HTTPClient: srv.Client(), CompressionMode: websocket.CompressionNoContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(-1)
	server := <-conns
	for _, n := range []int{1, 10, 16, 17, 500, 20_000, 300_000} {
		k.visit(server, &pings) // the client answers the ping while it reads
		text := note(n)
		c.Write(ctx, websocket.MessageText, []byte(text))
		if _, got, err := c.Read(ctx); err != nil || string(got) != text {
			t.Fatalf("%d: %d %v", n, len(got), err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}

	dead, err := tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	dead.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
	server = <-conns
	for range 2 {
		k.visit(server, &pings)
		pings.Wait()
	}
	if !server.dead.Load() {
		t.Error("a silent client is not cut")
	}
	testwait.Eventually(t, "none is kept", func() bool { return k.Len() == 0 })
}

// A slow peer that still takes what is under way to it is not dead, though its
// pong has to wait for all that.
func TestSlowIsNotDead(t *testing.T) {
	c, nc := pair(t, nil, false)
	nc.SetReadBuffer(4 << 10)
	rest, err := c.TryWrite([]Msg{{Head: []byte(strings.Repeat("x", 8<<20))}})
	if rest == nil {
		t.Fatal("a socket took 8 MB", err)
	}
	rest.release()
	c.writing.Unlock()
	k := new(Keeper)
	var pings sync.WaitGroup
	alive := func() bool { k.visit(c, &pings); return !c.dead.Load() }
	b := make([]byte, 64<<10)
	for range 6 {
		if !alive() && runtime.GOOS == "linux" {
			t.Fatal("cut while it was taking")
		}
		before := unacknowledged(c.raw)
		testwait.Eventually(t, "it takes some", func() bool {
			nc.SetReadDeadline(time.Now().Add(time.Millisecond))
			nc.Read(b)
			return unacknowledged(c.raw) != before
		})
	}
	testwait.Eventually(t, "a peer that takes nothing is cut", func() bool { return !alive() })
}
