package attack

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// floods are of messages that cost little each.
var floods = []attack{
	{"pings", func(a *arena) { a.flood(0x89, "") }, nil},
	{"empty fragments", func(a *arena) { a.flood(0x00, "") }, nil},
	{"CLOSEs", func(a *arena) { a.flood(0x81, `["CLOSE","x"]`) }, nil},
	{"REQs of nothing", func(a *arena) { a.flood(0x81, `["REQ","x",{"limit":0}]`) }, nil},
	{"what is no message", func(a *arena) { a.flood(0x81, `x`) }, nil},
	{"a REQ here, a REQ there", (*arena).sprinkle, nil},
}

// flooding is how many connections a flood has.
const flooding = 100

// frame is a frame of a client with a short payload, masked with zeros.
func frame(first byte, payload string) []byte {
	return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// wire connects from the attacker's address, and does not read what it says but drops
// it; nil: the relay takes no more.
func (a *arena) wire() net.Conn {
	c, err := net.Dial("tcp", a.r.Addr)
	if err != nil {
		return nil
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: relay\r\nX-Forwarded-For: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", attacker)
	in := bufio.NewReader(c)
	c.SetDeadline(time.Now().Add(storm))
	if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		c.Close()
		return nil
	}
	c.SetDeadline(time.Time{})
	go func() { _, _ = io.Copy(io.Discard, in) }()
	return c
}

// flood says the same on many connections, as fast as the relay reads. A connection
// that the relay ends is made anew.
func (a *arena) flood(first byte, payload string) {
	one := frame(first, payload)
	many := slices.Repeat(one, 64<<10/len(one))
	var all sync.WaitGroup
	for range flooding {
		all.Go(func() {
			for a.on() {
				c := a.wire()
				if c == nil {
					select {
					case <-a.stop:
					case <-time.After(10 * time.Millisecond):
					}
					continue
				}
				if first == 0x00 { // fragments of what has begun
					_, _ = c.Write(frame(0x01, ""))
				}
				for rest, ended := many, false; a.on() && !ended; {
					c.SetWriteDeadline(time.Now().Add(time.Second / 2))
					n, err := c.Write(rest)
					if rest = rest[n:]; len(rest) == 0 {
						rest = many
					}
					late, ok := err.(net.Error)
					ended = err != nil && (!ok || !late.Timeout())
				}
				c.Close()
			}
		})
	}
	all.Wait()
}

// sprinkle says one thing on each of many connections in turn.
func (a *arena) sprinkle() {
	var all []net.Conn
	for range flooding {
		if c := a.wire(); c != nil {
			all = append(all, c)
			defer c.Close()
		}
	}
	one := frame(0x81, `["REQ","x",{"limit":0}]`)
	for a.on() {
		for _, c := range all {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = c.Write(one)
		}
	}
}
