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

// keep runs a Keeper for the test.
func keep(t testing.TB, every time.Duration) *Keeper {
	k := &Keeper{Every: every}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { k.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
	return k
}

// Who answers pings stays, though it says nothing; who does not is cut.
func TestKeeper(t *testing.T) {
	k := keep(t, 300*time.Millisecond)
	ended := make(chan error, 2)
	addr := start(t, &Options{Keeper: k}, func(c *Conn) {
		_, err := c.Read()
		ended <- err
	})
	begun := time.Now()
	live, half := dial(t, addr), dial(t, addr)
	testwait.Eventually(t, "both are kept", func() bool { return k.Len() == 2 })
	var wg sync.WaitGroup
	pings := 0
	wg.Go(func() {
		for {
			got, err := live.next()
			if err != nil {
				return
			}
			if got == "89 " {
				pings++
				live.send(frame(0x8a, ""))
			}
		}
	})
	if err := <-ended; !errors.Is(err, ErrDead) {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 450*time.Millisecond {
		t.Fatalf("cut after %v: before it could answer", took)
	}
	half.Close()
	time.Sleep(900 * time.Millisecond)
	select {
	case err := <-ended:
		t.Fatalf("the living one was cut: %v", err)
	default:
	}
	live.Close()
	wg.Wait()
	if pings < 3 {
		t.Fatalf("%d pings", pings)
	}
	<-ended
	testwait.Eventually(t, "none is kept", func() bool { return k.Len() == 0 })
}

// TLS, of which the socket cannot be asked, works as well: messages, pings,
// a dead peer, the close handshake.
func TestTLS(t *testing.T) {
	k := keep(t, 500*time.Millisecond)
	o := &Options{Keeper: k, Compression: true}
	var wg sync.WaitGroup
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := Upgrade(w, r, o); err == nil {
			wg.Go(func() { defer c.CloseNow(); echo(c) })
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
	for _, n := range []int{1, 10, 16, 17, 500, 20_000, 300_000} {
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
	testwait.Eventually(t, "it is kept", func() bool { return k.Len() == 1 })
	testwait.Eventually(t, "it is cut", func() bool { return k.Len() == 0 })
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
