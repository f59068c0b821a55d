package ws

import (
	"bufio"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/testwait"
)

// pair returns a Conn over TCP and its peer, without a handshake.
func pair(t testing.TB, o *Options, deflate bool) (*Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(server, o.WithDefaults(), deflate, nil)
	t.Cleanup(func() { c.CloseNow(); client.Close() })
	return c, client.(*net.TCPConn)
}

// discard reads whatever comes, for as long as the test runs.
func discard(t testing.TB, nc net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 1<<20)
		for {
			if _, err := nc.Read(b); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { nc.Close(); wg.Wait() })
}

// A peer that reads nothing ends a Write by its deadline; meanwhile its pings
// do not hold up the reader, and Close waits no longer than it says.
func TestPeerThatDoesNotRead(t *testing.T) {
	c, nc := pair(t, &Options{WriteTimeout: 300 * time.Millisecond, CloseTimeout: 100 * time.Millisecond}, false)
	nc.SetReadBuffer(4 << 10)
	wrote := make(chan error, 1)
	big := []Msg{{Head: []byte(strings.Repeat("x", 1<<20))}}
	go func() {
		for {
			if err := c.Write(big); err != nil {
				wrote <- err
				return
			}
		}
	}()
	for range 100 {
		nc.Write(frame(0x89, "are you there"))
	}
	nc.Write(frame(0x81, "hello"))
	if msg, err := c.Read(); err != nil || string(msg) != "hello" {
		t.Fatalf("%q %v", msg, err)
	}
	select {
	case err := <-wrote:
		t.Logf("Write gave up before the reader came to the message: %v", err)
	default:
		if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	if err := c.Write(big); err == nil {
		t.Fatal("a Write after a piece of a frame was lost")
	}
	if err := c.Close(Policy, ""); err == nil {
		t.Fatal("a Close after a piece of a frame was lost")
	}
}

// TryWrite does not wait for a peer that does not read. The Rest comes once it
// does, and nothing is mixed up or lost.
func TestTryWriteDoesNotWait(t *testing.T) {
	for _, deflate := range []bool{false, true} {
		c, nc := pair(t, nil, deflate)
		text := []byte(strings.Repeat("0123456789abcdef", 10_000))
		msgs := []Msg{{Head: text}, {Head: []byte("a"), Raw: text}, {Head: []byte("b"), Body: &Body{Raw: text[:600]}}}
		var rest *Rest
		count := 0
		for ; rest == nil; count++ {
			var err error
			if rest, err = c.TryWrite(msgs); err != nil {
				t.Fatal(err)
			}
		}
		c.mu.Lock()
		c.controlLocked().ping = true // has to wait for the end of a frame
		c.mu.Unlock()
		c.controls.Store(true)
		second, err := c.TryWrite([]Msg{{Head: []byte("end")}})
		if second == nil {
			t.Fatalf("two at once: %v", err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := errors.Join(rest.Finish(), second.Finish()); err != nil {
				t.Error(err)
			}
		})
		p := &peer{nc, bufio.NewReader(nc), t}
		pings := 0
		for i := 0; i <= 3*count; i++ {
			got, err := p.next()
			if got == "89 " {
				pings, i = pings+1, i-1
				continue
			}
			want := "81 end"
			switch {
			case i == 3*count:
			case i%3 == 0:
				want = "81 " + string(text)
			case i%3 == 1:
				want = "81 a" + string(text) + "]"
			case deflate:
				got, want = got[:2], "c1"
			default:
				want = "81 b" + string(text[:600]) + "]"
			}
			if err != nil || got != want {
				t.Fatalf("message %d: %d bytes, %.20q, want %.20q, %v", i, len(got), got, want, err)
			}
		}
		if wg.Wait(); pings != 1 {
			t.Errorf("%d pings", pings)
		}
	}
}

// CloseNow ends a Write and a Read that wait.
func TestCloseNowEndsEverything(t *testing.T) {
	c, nc := pair(t, nil, false)
	nc.SetReadBuffer(4 << 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		for c.Write([]Msg{{Head: make([]byte, 1<<20)}}) == nil {
		}
	})
	wg.Go(func() {
		if _, err := c.Read(); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := c.Read(); !errors.Is(err, ErrClosed) {
			t.Error("a final error is forgotten")
		}
	})
	time.Sleep(20 * time.Millisecond) // not needed, but it should be the usual case
	c.CloseNow()
	c.CloseNow()
	wg.Wait()
}

// Messages of several writers and answers to pings do not mix.
func TestWritersDoNotMix(t *testing.T) {
	var wg sync.WaitGroup
	p := dial(t, start(t, nil, func(c *Conn) {
		for i := range 4 {
			wg.Go(func() {
				text := []byte(strings.Repeat(string(rune('a'+i)), 50_000))
				for range 20 {
					c.Write([]Msg{{Head: text}, {Head: text[:100], Body: &Body{Raw: text[:10]}}})
				}
			})
		}
		c.Read()
		wg.Wait()
	}))
	for range 50 {
		p.send(frame(0x89, "?"))
	}
	long, short, pongs := 0, 0, 0
	for long+short < 160 || pongs == 0 {
		got, err := p.next()
		switch {
		case err != nil:
			t.Fatal(err)
		case got == "8a ?":
			pongs++
		case len(got) == 50_003 && strings.Count(got, got[3:4]) == 50_000:
			long++
		case len(got) == 114 && strings.Count(got, got[3:4]) == 110 && got[113] == ']':
			short++
		default:
			t.Fatalf("%d bytes: %.60q", len(got), got)
		}
	}
	p.send(frame(0x81, "done"))
}

// Ready foretells Read: a whole message is here, in our buffer or the socket.
func TestReady(t *testing.T) {
	c, nc := pair(t, nil, false)
	if c.Ready() {
		t.Fatal("ready with nothing there")
	}
	nc.Write(frame(0x81, "one"))
	testwait.Eventually(t, "ready for a message in the socket", c.Ready)
	msg, err := c.Read()
	if err != nil || string(msg) != "one" || c.Ready() {
		t.Fatalf("%q %v", msg, err)
	}
	two := frame(0x81, "two")
	nc.Write(append(frame(0x89, "ping"), two[:4]...))
	for range 20 {
		if c.Ready() {
			t.Fatal("ready for half a message")
		}
		time.Sleep(time.Millisecond)
	}
	nc.Write(two[4:])
	testwait.Eventually(t, "ready for the other half", c.Ready)
	if string(msg) != "one" {
		t.Fatal("Ready changed the message")
	}
	if msg, err = c.Read(); err != nil || string(msg) != "two" || c.Ready() {
		t.Fatalf("%q %v", msg, err)
	}
	nc.Close()
	testwait.Eventually(t, "ready for the end", c.Ready)
	if _, err = c.Read(); err == nil {
		t.Fatal("no error")
	}
}

// Sending shared bodies costs no allocation, and reading none per message.
func TestNoAllocations(t *testing.T) {
	if racing {
		t.Skip("pools are forgetful under the race detector")
	}
	for _, deflate := range []bool{false, true} {
		c, nc := pair(t, nil, deflate)
		discard(t, nc)
		b := &Body{Raw: []byte(note(900))}
		msgs := []Msg{{Head: []byte(`["EVENT","a",`), Body: b}, {Head: []byte(`["EVENT","b",`), Body: b}}
		if n := testing.AllocsPerRun(500, func() {
			if err := c.Write(msgs); err != nil {
				t.Fatal(err)
			}
		}); n >= 1 {
			t.Errorf("Write (deflate %v): %v allocations", deflate, n)
		}
	}
	senders(t, func(t *testing.T, s *Sender) {
		list := make([]Send, 8)
		for i := range list {
			c, nc := pair(t, nil, false)
			discard(t, nc)
			list[i] = Send{Conn: c, Msgs: []Msg{{Head: []byte(`["EVENT","a",`), Body: &Body{Raw: []byte(note(900))}}}}
		}
		if n := testing.AllocsPerRun(500, func() { s.TryWrite(list) }); n >= 1 {
			t.Errorf("TryWrite: %v allocations", n)
		}
	})
	c, nc := pair(t, nil, true)
	plain, packed := frame(0x81, note(900)), frame(0xc1, squeeze(note(900), 6))
	if n := testing.AllocsPerRun(500, func() {
		nc.Write(plain)
		c.Read()
		nc.Write(packed)
		if _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
	}); n >= 1 {
		t.Errorf("Read: %v allocations", n)
	}
}
