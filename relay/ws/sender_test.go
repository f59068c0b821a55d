package ws

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"moa/nips/testwait"
)

// senders runs a test with both kinds of Sender, as far as this machine has them.
func senders(t *testing.T, run func(t *testing.T, s *Sender)) {
	t.Run("plain", func(t *testing.T) { run(t, &Sender{Plain: true}) })
	t.Run("together", func(t *testing.T) {
		if err := TrySender(); err != nil {
			t.Skip(err)
		}
		s := new(Sender)
		defer s.Close()
		if run(t, s); s.ring == nil {
			t.Error("the ring was given up")
		}
	})
}

// audience is connections and their clients.
type audience struct {
	conns   []*Conn
	clients []*net.TCPConn
	peers   []*peer
}

func newAudience(t *testing.T, n int) *audience {
	t.Helper()
	c := &audience{}
	for range n {
		conn, nc := pair(t, nil, false)
		nc.SetReadDeadline(time.Now().Add(testwait.Patience))
		c.conns, c.clients, c.peers = append(c.conns, conn), append(c.clients, nc), append(c.peers, &peer{nc, bufio.NewReader(nc), t})
	}
	return c
}

// sends are one message to each of the conns, different ones.
func sends(conns []*Conn, text string) (list []Send) {
	for i, c := range conns {
		list = append(list, Send{Conn: c, Msgs: []Msg{{Head: fmt.Appendf(nil, "%d", i), Body: &Body{Raw: []byte(text)}}}})
	}
	return list
}

// hear reads what sends has sent.
func (c *audience) hear(i int, text string) {
	c.peers[i].t.Helper()
	c.peers[i].expect(fmt.Sprintf("81 %d%s]", i, text))
}

// Each gets all of it in order, whatever becomes of the others: one does
// not read for a while, one has gone, one was cut.
func TestSenderTroublesNoOther(t *testing.T) {
	senders(t, func(t *testing.T, s *Sender) {
		const late, gone, cut, rounds = 3, 4, 5, 20
		c := newAudience(t, 9)
		c.clients[gone].SetLinger(0)
		c.clients[gone].Close()
		c.conns[cut].CloseNow()
		c.clients[late].SetReadBuffer(128 << 10)
		c.conns[late].conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
		text := note(60_000) // of which that socket does not hold twenty
		sent, failed := 0, make([]int, len(c.conns))
		var rest *Rest
		for range rounds {
			list := sends(c.conns, text)
			if rest == nil {
				sent++
			} else {
				list = slices.Delete(list, late, late+1)
			}
			s.TryWrite(list)
			for _, w := range list {
				i := slices.Index(c.conns, w.Conn)
				if w.Err != nil {
					failed[i]++
				}
				switch {
				case i == late:
					rest = w.Rest
				case w.Rest != nil:
					t.Fatalf("connection %d is not read", i)
				case i != gone && i != cut:
					c.hear(i, text)
				}
			}
		}
		if rest == nil {
			t.Fatal("a socket holds everything")
		}
		var finishing sync.WaitGroup
		finishing.Go(func() {
			if err := rest.Finish(); err != nil {
				t.Error(err)
			}
		})
		for range sent {
			c.hear(late, text)
		}
		finishing.Wait()
		if failed[cut] != rounds || failed[gone] == 0 {
			t.Errorf("failures: %v", failed)
		}
		for i, n := range failed {
			if n > 0 && i != cut && i != gone {
				t.Errorf("connection %d failed", i)
			}
		}
	})
}

// A connection that another goroutine is writing to is left for later, and no
// other is.
func TestSenderWaitsForNoConnection(t *testing.T) {
	senders(t, func(t *testing.T, s *Sender) {
		c := newAudience(t, 3)
		c.conns[1].writing.Lock()
		list := sends(c.conns, "text")
		s.TryWrite(list)
		c.hear(0, "text")
		c.hear(2, "text")
		if list[0].Rest != nil || list[1].Rest == nil || list[2].Rest != nil {
			t.Fatalf("%+v", list)
		}
		c.conns[1].writing.Unlock()
		if err := list[1].Rest.Finish(); err != nil {
			t.Fatal(err)
		}
		c.hear(1, "text")
	})
}

// A socket that is held is closed by the goroutine that lets go of it last, and
// none gets hold of it any more.
func TestHeldSocketIsClosedLater(t *testing.T) {
	c := newAudience(t, 1)
	conn := c.conns[0]
	for range 2 {
		if !conn.hold() {
			t.Fatal("not to be held")
		}
	}
	conn.CloseNow()
	conn.letGo()
	if conn.hold() {
		t.Fatal("held after CloseNow")
	}
	if conn.fd != fdOf(conn.raw) {
		t.Fatal("closed while it was held")
	}
	conn.letGo()
	if _, err := c.peers[0].next(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("not closed: %v", err)
	}
}
