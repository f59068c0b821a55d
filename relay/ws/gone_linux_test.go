package ws

import (
	"net"
	"testing"

	"moa/nips/testwait"
)

// That a peer has ended its side is known before what it has sent is read, all of
// which is read still.
func TestAPeerThatHasGoneIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(p *peer)
		heard int // of two messages; -1: not all have come
	}{
		"closed": {func(p *peer) { p.Close() }, 2},
		"reset":  {func(p *peer) { p.Conn.(*net.TCPConn).SetLinger(0); p.Close() }, 2},
		"closed behind a full window": {func(p *peer) {
			p.Conn.(*net.TCPConn).SetWriteBuffer(4 << 20) // or as much as the system lets it
			for range 300 {
				p.send(frame(0x82, string(make([]byte, 1000))))
			}
			p.Close()
		}, -1},
		"half closed": {func(p *peer) { p.Conn.(*net.TCPConn).CloseWrite() }, 2},
		"ended here":  {nil, 0},
	} {
		conns, over := make(chan *Conn), make(chan struct{})
		addr := start(t, nil, func(c *Conn) { conns <- c; <-over })
		p := dial(t, addr)
		conn := <-conns
		if conn.Gone() {
			t.Errorf("%s: it has gone before", name)
		}
		if c.leave == nil {
			conn.CloseNow()
		} else {
			p.send(frame(0x81, "one"), frame(0x81, "two"))
			c.leave(p)
		}
		testwait.Eventually(t, name, conn.Gone)
		heard := 0
		for _, err := conn.Read(); err == nil; _, err = conn.Read() {
			heard++
		}
		if c.heard >= 0 && heard != c.heard || !conn.Gone() {
			t.Errorf("%s: %d messages were read", name, heard)
		}
		close(over)
	}
}

// A peer that is there is not known to have gone, but pinged if it is told nothing.
func TestAPeerThatIsThereIsPinged(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	conns := make(chan *Conn)
	p := dial(t, start(t, nil, func(c *Conn) { conns <- c; <-over }))
	conn := <-conns
	ask := func(n int) {
		for range n {
			if conn.Gone() {
				t.Fatal("it has gone")
			}
		}
	}
	for _, text := range []string{"one", "two"} {
		ask(mostAsked - 1)
		if err := conn.Write([]Msg{{Head: []byte(text)}}); err != nil {
			t.Fatal(err)
		}
	}
	ask(mostAsked)
	p.expect("81 one", "81 two", "89 ")
}
