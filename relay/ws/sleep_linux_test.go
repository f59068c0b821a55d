package ws

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/testwait"
)

// dormitory serves connections that sleep while nothing comes.
type dormitory struct {
	opt   *Options
	awake atomic.Int32 // connections with a goroutine
	all   atomic.Int32
	stop  context.CancelFunc // of the Watcher
}

func newDormitory(t testing.TB, o Options) *dormitory {
	t.Helper()
	w, err := NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); w.Run(ctx) }()
	t.Cleanup(func() { stop(); <-over })
	o.Watcher = w
	return &dormitory{opt: &o, stop: stop}
}

// serve echoes until the connection has ended.
func (d *dormitory) serve(c *Conn) {
	d.all.Add(1)
	defer d.all.Add(-1)
	s := &sleeper{d: d, c: c, over: make(chan error, 1)}
	s.Wake()
	<-s.over
}

type sleeper struct {
	d    *dormitory
	c    *Conn
	over chan error
}

func (s *sleeper) Wake() {
	s.d.awake.Add(1)
	go s.echo()
}

func (s *sleeper) echo() {
	defer s.d.awake.Add(-1)
	for wait := time.Duration(0); ; wait = time.Millisecond {
		msg, err := s.c.ReadFor(wait)
		if err == ErrNothing {
			if s.c.Sleep(s) {
				return
			}
			msg, err = s.c.Read()
		}
		if err == nil {
			err = s.c.Write([]Msg{{Head: msg}})
		}
		if err != nil {
			s.c.CloseNow()
			s.over <- err
			return
		}
	}
}

func (d *dormitory) asleep() bool { return d.awake.Load() == 0 }

// A connection that sleeps hears everything that one that waits does, and sleeps
// again.
func TestSleep(t *testing.T) {
	d := newDormitory(t, Options{Compression: true})
	addr := start(t, d.opt, d.serve)
	p := dial(t, addr, deflateOffer)
	long := strings.Repeat("long ", 40_000)
	for name, step := range map[string]func(){
		"a message":   func() { p.send(frame(0x81, "hello")); p.expect("81 hello") },
		"two at once": func() { p.send(append(frame(0x81, "one"), frame(0x81, "two")...)); p.expect("81 one", "81 two") },
		"a ping":      func() { p.send(frame(0x89, "ping")); p.expect("8a ping") },
		"a pong":      func() { p.send(frame(0x8a, "pong")) },
		"a long one":  func() { p.send(frame(0x81, long)); p.expect("81 " + long) },
		"deflated":    func() { p.send(frame(0xc1, squeeze(note(600), 6))); p.expect("81 " + note(600)) },
		"in halves": func() {
			f := frame(0x81, "halves")
			p.send(f[:1])
			testwait.Eventually(t, "woken by a byte", func() bool { return !d.asleep() })
			p.send(f[1:7])
			p.send(f[7:])
			p.expect("81 halves")
		},
		"fragments": func() {
			p.send(frame(0x01, "a"))
			p.send(frame(0x89, "between"))
			p.expect("8a between")
			p.send(frame(0x80, "b"))
			p.expect("81 ab")
		},
	} {
		testwait.Eventually(t, "asleep before "+name, d.asleep)
		step()
	}
	testwait.Eventually(t, "asleep again", d.asleep)
	p.send(frame(0x88, "\x03\xe8"))
	p.expect("88 1000")
	testwait.Eventually(t, "ended", func() bool { return d.all.Load() == 0 })
}

// However a sleeper's connection ends, it is woken, once.
func TestSleepEnds(t *testing.T) {
	for name, end := range map[string]func(d *dormitory, c *Conn, p *peer){
		"the peer hangs up": func(_ *dormitory, _ *Conn, p *peer) { p.Close() },
		"the peer resets": func(_ *dormitory, _ *Conn, p *peer) {
			p.Conn.(*net.TCPConn).SetLinger(0)
			p.Close()
		},
		"CloseNow": func(_ *dormitory, c *Conn, _ *peer) { c.CloseNow() },
		"Close, and the peer answers": func(_ *dormitory, c *Conn, p *peer) {
			c.Close(GoingAway, "")
			p.expect("88 1001")
			p.send(frame(0x88, "\x03\xe9"))
		},
		"Close, and the peer is silent": func(_ *dormitory, c *Conn, _ *peer) { c.Close(GoingAway, "") },
		"the watcher has ended": func(d *dormitory, c *Conn, p *peer) {
			d.stop()
			p.send(frame(0x81, "?"))
			c.CloseNow()
		},
		"the peer is dead": func(d *dormitory, _ *Conn, _ *peer) { keep(t, d.opt.Keeper) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDormitory(t, Options{CloseTimeout: 100 * time.Millisecond, Keeper: &Keeper{Every: 100 * time.Millisecond}})
			conns := make(chan *Conn, 1)
			addr := start(t, d.opt, func(c *Conn) { conns <- c; d.serve(c) })
			p := dial(t, addr)
			c := <-conns
			p.send(frame(0x81, "hello"))
			p.expect("81 hello")
			testwait.Eventually(t, "asleep", d.asleep)
			end(d, c, p)
			testwait.Eventually(t, "ended", func() bool { return d.all.Load() == 0 && d.asleep() })
			d.opt.Watcher.mu.Lock()
			defer d.opt.Watcher.mu.Unlock()
			for fd, c := range d.opt.Watcher.conns {
				if c != nil {
					t.Errorf("descriptor %d is still watched", fd)
				}
			}
		})
	}
}

// A connection whose time to wait is over before the socket is looked at, as on a
// machine that stood still meanwhile, sleeps as well.
func TestLateLookGivesTheInboxBack(t *testing.T) {
	d := newDormitory(t, Options{})
	c, nc := pair(t, d.opt, false)
	nc.Write(frame(0x81, "hello"))
	if msg, err := c.Read(); string(msg) != "hello" || err != nil {
		t.Fatal(string(msg), err)
	}
	if _, err := c.ReadFor(time.Nanosecond); err != ErrNothing {
		t.Fatal(err)
	}
	if c.in != nil {
		t.Error("the inbox is kept")
	}
	woken := make(chan bool, 1)
	if !c.Sleep(waker(woken)) {
		t.Fatal("it cannot sleep")
	}
	nc.Write(frame(0x81, "again"))
	<-woken
	if msg, err := c.TryRead(); string(msg) != "again" || err != nil {
		t.Error(string(msg), err)
	}
}

type waker chan bool

func (w waker) Wake() { w <- true }

// Many sleep and wake at once, come and go, and each hears its own.
func TestSleepCrowd(t *testing.T) {
	d := newDormitory(t, Options{})
	addr := start(t, d.opt, d.serve)
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for range 8 {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				visit(t, nc, n)
				nc.Close()
			}
		})
	}
	wg.Wait()
	testwait.Eventually(t, "all ended", func() bool { return d.all.Load() == 0 && d.asleep() })
}

func visit(t *testing.T, nc net.Conn, n int) {
	nc.SetDeadline(time.Now().Add(testwait.Patience))
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	var head strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(head.String(), "\r\n\r\n"); head.Write(b) {
		if _, err := io.ReadFull(nc, b); err != nil {
			t.Error(err)
			return
		}
	}
	for k := range 50 {
		if k%5 == 0 {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
		}
		want := fmt.Sprintf("%08d", n*1000+k)
		nc.Write(frame(0x81, want))
		got := make([]byte, 10)
		if _, err := io.ReadFull(nc, got); err != nil || string(got[2:]) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
			return
		}
	}
}
