package ws

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a client may send, and what it hears back from a server that echoes.
func TestFrames(t *testing.T) {
	long := func(n int) string { return strings.Repeat("abcdefg", n/7+1)[:n] }
	unmasked := []byte{0x81, 1, 'x'}
	const max = 70_000
	tests := []struct {
		name string
		send [][]byte
		want []string
	}{
		{"text", [][]byte{frame(0x81, "hello")}, []string{"81 hello"}},
		{"binary is taken as text", [][]byte{frame(0x82, "hello")}, []string{"81 hello"}},
		{"empty", [][]byte{frame(0x81, "")}, []string{"81 "}},
		{"125", [][]byte{frame(0x81, long(125))}, []string{"81 " + long(125)}},
		{"126", [][]byte{frame(0x81, long(126))}, []string{"81 " + long(126)}},
		{"127", [][]byte{frame(0x81, long(127))}, []string{"81 " + long(127)}},
		{"65535", [][]byte{frame(0x81, long(65535))}, []string{"81 " + long(65535)}},
		{"65536", [][]byte{frame(0x81, long(65536))}, []string{"81 " + long(65536)}},
		{"the limit", [][]byte{frame(0x81, long(max))}, []string{"81 " + long(max)}},
		{"over the limit", [][]byte{frame(0x81, long(max+1))}, []string{"88 1009"}},
		{"a header that promises 2^62 bytes", [][]byte{{0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}}, []string{"88 1009"}},
		{"a negative length", [][]byte{{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}}, []string{"88 1002"}},
		{"length 5 in 16 bits", [][]byte{{0x81, 0xfe, 0, 5, 0, 0, 0, 0, 'a', 'b', 'c', 'd', 'e'}}, []string{"88 1002"}},
		{"length 5 in 64 bits", [][]byte{{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 'a', 'b', 'c', 'd', 'e'}}, []string{"88 1002"}},
		{"fragments", [][]byte{frame(0x01, "he"), frame(0x00, "ll"), frame(0x80, "o")}, []string{"81 hello"}},
		{"empty fragments", [][]byte{frame(0x01, ""), frame(0x00, ""), frame(0x00, "x"), frame(0x80, "")}, []string{"81 x"}},
		{"fragments over the limit", [][]byte{frame(0x01, long(max-1)), frame(0x80, "xy")}, []string{"88 1009"}},
		{"a ping between fragments", [][]byte{frame(0x01, "he"), frame(0x89, "p"), frame(0x80, "llo")}, []string{"8a p", "81 hello"}},
		{"a pong that was not asked for", [][]byte{frame(0x8a, "p"), frame(0x81, "x")}, []string{"81 x"}},
		{"ping 125", [][]byte{frame(0x89, long(125))}, []string{"8a " + long(125)}},
		{"empty ping", [][]byte{frame(0x89, "")}, []string{"8a "}},
		{"ping 126", [][]byte{frame(0x89, long(126))}, []string{"88 1002"}},
		{"fragmented ping", [][]byte{frame(0x09, "p")}, []string{"88 1002"}},
		{"a text inside a text", [][]byte{frame(0x01, "a"), frame(0x81, "b")}, []string{"88 1002"}},
		{"a fragment of nothing", [][]byte{frame(0x80, "a")}, []string{"88 1002"}},
		{"reserved data opcode", [][]byte{frame(0x83, "a")}, []string{"88 1002"}},
		{"reserved control opcode", [][]byte{frame(0x8b, "a")}, []string{"88 1002"}},
		{"RSV1 without compression", [][]byte{frame(0xc1, "a")}, []string{"88 1002"}},
		{"RSV2", [][]byte{frame(0xa1, "a")}, []string{"88 1002"}},
		{"RSV3", [][]byte{frame(0x91, "a")}, []string{"88 1002"}},
		{"RSV1 on a ping", [][]byte{frame(0xc9, "a")}, []string{"88 1002"}},
		{"unmasked", [][]byte{unmasked}, []string{"88 1002"}},
		{"bad UTF-8", [][]byte{frame(0x81, "a\xc3(")}, []string{"88 1007"}},
		{"UTF-8 cut by a fragment", [][]byte{frame(0x01, "\xe2\x82"), frame(0x80, "\xac")}, []string{"81 €"}},
		{"any bytes in binary", [][]byte{frame(0x82, "a\xc3(")}, []string{"81 a\xc3("}},
		{"close without a code", [][]byte{frame(0x88, "")}, []string{"88 "}},
		{"close 1000", [][]byte{frame(0x88, "\x03\xe8bye")}, []string{"88 1000"}},
		{"close 1001", [][]byte{frame(0x88, "\x03\xe9")}, []string{"88 1001"}},
		{"close 1012", [][]byte{frame(0x88, "\x03\xf4")}, []string{"88 1012"}},
		{"close 3000", [][]byte{frame(0x88, "\x0b\xb8")}, []string{"88 3000"}},
		{"close 4999", [][]byte{frame(0x88, "\x13\x87")}, []string{"88 4999"}},
		{"close with one byte", [][]byte{frame(0x88, "\x03")}, []string{"88 1002"}},
		{"close 999", [][]byte{frame(0x88, "\x03\xe7")}, []string{"88 1002"}},
		{"close 1005", [][]byte{frame(0x88, "\x03\xed")}, []string{"88 1002"}},
		{"close 1006", [][]byte{frame(0x88, "\x03\xee")}, []string{"88 1002"}},
		{"close 1015", [][]byte{frame(0x88, "\x03\xf7")}, []string{"88 1002"}},
		{"close 5000", [][]byte{frame(0x88, "\x13\x88")}, []string{"88 1002"}},
		{"close with bad UTF-8", [][]byte{frame(0x88, "\x03\xe8\xc3(")}, []string{"88 1007"}},
		{"nothing after close", [][]byte{frame(0x81, "x"), frame(0x88, "\x03\xe8"), frame(0x81, "y")}, []string{"81 x", "88 1000"}},
	}
	addr := start(t, &Options{MaxMessage: max, CloseTimeout: time.Second}, echo)
	for _, whole := range []bool{true, false} {
		for _, test := range tests {
			name := test.name + ", at once"
			if !whole {
				name = test.name + ", in small pieces"
			}
			t.Run(name, func(t *testing.T) {
				p := dial(t, addr)
				all := bytes.Join(test.send, nil)
				if whole {
					p.send(all)
				} else {
					for piece := range pieces(all) {
						p.send(piece)
					}
				}
				p.expect(test.want...)
				if strings.HasPrefix(test.want[len(test.want)-1], "88") {
					if got, err := p.next(); err == nil {
						t.Fatalf("after close: %q", got)
					}
				} else { // the connection lives on
					p.send(frame(0x81, "more"))
					p.expect("81 more")
				}
			})
		}
	}
}

// pieces cuts b into single bytes at both ends and long pieces in between.
func pieces(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := 1
			if len(b) > 2000 {
				n = 1777
			}
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// Of the pings that come at once, only the last is answered.
func TestPingsAreAnsweredOnce(t *testing.T) {
	p := dial(t, start(t, nil, echo))
	var many []byte
	for range 50 {
		many = append(many, frame(0x89, "old")...)
	}
	p.send(append(append(many, frame(0x89, "new")...), frame(0x81, "x")...))
	pongs := 0
	for {
		got, err := p.next()
		if err != nil {
			t.Fatal(err)
		}
		if got == "81 x" {
			break
		}
		if pongs++; pongs > 3 {
			t.Fatal("a pong for each ping")
		}
	}
	if pongs == 0 {
		t.Fatal("no pong")
	}
}

// Close sends its frame, lets nothing out behind it, drops what still comes,
// and the reading ends with the peer's answer.
func TestClose(t *testing.T) {
	ended := make(chan error, 1)
	p := dial(t, start(t, nil, func(c *Conn) {
		c.Read()
		c.Write([]Msg{{Head: []byte("last")}})
		c.Close(Policy, "no "+strings.Repeat("é", 200))
		if err := c.Write([]Msg{{Head: []byte("late")}}); !errors.Is(err, ErrClosed) {
			t.Errorf("Write after Close: %v", err)
		}
		_, err := c.Read()
		ended <- err
	}))
	p.send(frame(0x81, "go"))
	p.expect("81 last", "88 1008")
	p.send(frame(0x81, "ignored"), frame(0x88, "\x03\xf0"))
	var e *CloseError
	if err := <-ended; !errors.As(err, &e) || e.Code != Policy || e.Peer {
		t.Fatalf("the reading ended with %v", err)
	}
	if _, err := p.next(); err != io.EOF {
		t.Fatalf("after the handshake: %v", err)
	}
}

// A peer that does not answer a close is not waited for longer than CloseTimeout.
func TestCloseWithoutAnswer(t *testing.T) {
	ended := make(chan error, 1)
	p := dial(t, start(t, &Options{CloseTimeout: 50 * time.Millisecond}, func(c *Conn) {
		c.Close(GoingAway, "")
		_, err := c.Read()
		ended <- err
	}))
	p.expect("88 1001")
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

// A message must be complete within MessageTimeout of its first byte, however
// it dribbles; between messages a peer may take its time.
func TestSlowMessage(t *testing.T) {
	ended := make(chan error, 1)
	const timeout = time.Second
	p := dial(t, start(t, &Options{MessageTimeout: timeout}, func(c *Conn) {
		if _, err := c.Read(); err != nil {
			t.Error(err)
		}
		_, err := c.Read()
		ended <- err
	}))
	f := frame(0x81, "hello")
	p.send(f[:3])
	time.Sleep(timeout / 50) // so that the reader has to wait for the rest
	p.send(f[3:])
	time.Sleep(timeout + timeout/4) // idle: no deadline counts
	for i := 0; ; i++ {
		select {
		case err := <-ended:
			if !errors.Is(err, ErrSlow) {
				t.Fatal(err)
			}
			return
		case <-time.After(10 * time.Millisecond):
			p.Write(frame(0x01, strings.Repeat("x", 100))[i%100 : i%100+1])
		}
	}
}

// A peer that ends without a close frame ends the reading.
func TestPeerVanishes(t *testing.T) {
	for _, rest := range []string{"", "half a frame"} {
		ended := make(chan error, 1)
		p := dial(t, start(t, nil, func(c *Conn) {
			_, err := c.Read()
			ended <- err
		}))
		if rest != "" {
			p.send(frame(0x81, rest)[:5])
		}
		p.Close()
		if err := <-ended; err == nil {
			t.Fatal("no error")
		}
	}
}

func TestHandshakeRefusals(t *testing.T) {
	addr := start(t, nil, echo)
	for name, req := range map[string]string{
		"a plain GET":   "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"no key":        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
		"a POST":        "POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 0\r\n\r\n",
		"other version": "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			nc := rawDial(t, addr)
			io.WriteString(nc, req)
			answer, _ := io.ReadAll(nc)
			if !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
				t.Fatalf("%.80q", answer)
			}
		})
	}
}

// A peer that breaks the protocol while something is being written to it is
// told so all the same.
func TestViolationMeetsAWrite(t *testing.T) {
	for range 20 {
		p := dial(t, start(t, nil, func(c *Conn) {
			var writer sync.WaitGroup
			defer writer.Wait()
			c.writing.Lock() // as a Write holds it
			writer.Go(func() {
				for !c.isClosing() {
					runtime.Gosched()
				}
				time.Sleep(time.Millisecond)
				c.writing.Unlock()
				_ = c.sendControl() // as a Write ends
			})
			_, err := c.Read()
			part(c, err)
		}))
		p.send(frame(0xf1, "reserved bits"))
		p.expect("88 1002")
	}
}

// A message takes the memory that the longest one needs, and no power of four
// more: a peer that stops in the middle of one holds it for MessageTimeout.
func TestAMessageTakesNoMoreMemoryThanTheLongestNeeds(t *testing.T) {
	const most, more = 1 << 20, 8 << 10
	takes := make(chan int, 1)
	addr := start(t, &Options{MaxMessage: most, Compression: true}, func(c *Conn) {
		for {
			msg, err := c.Read()
			if err != nil {
				return
			}
			n := len(c.in.b)
			if c.in.inflated != nil {
				n = max(n, len(c.in.inflated.b))
			}
			if len(msg) != most {
				n = -1
			}
			takes <- n
		}
	})
	text := strings.Repeat("z", most)
	for name, send := range map[string][]byte{
		"plain": frame(0x81, text), "fragments": append(frame(0x01, text[1000:]), frame(0x80, text[:1000])...),
		"deflated": frame(0xc1, squeeze(text, 6)), "deflated in vain": frame(0xc1, squeeze(text, 0)),
	} {
		p := dial(t, addr, deflateOffer)
		p.send(send)
		if n := <-takes; n < 0 || n > most+most>>10+more {
			t.Errorf("%s: %d bytes for a message of %d", name, n, most)
		}
	}
}

// A peer that goes on sending after the connection has ended for what it sent is
// read, so that it finds out why, and not as fast as it can send.
func TestWhatComesAfterTheEndIsReadSlowly(t *testing.T) {
	const timeout = time.Second / 2
	addr := start(t, &Options{CloseTimeout: timeout}, func(c *Conn) {
		_, err := c.Read()
		part(c, err)
	})
	p := dial(t, addr)
	flood := bytes.Repeat([]byte{'x'}, largeSize)
	p.send(frame(0x83, ""))
	sent := 0
	for err := error(nil); err == nil; {
		var n int
		n, err = p.Write(flood)
		sent += n
	}
	// Sockets have some megabytes between them.
	if most := 16<<20 + int(timeout/drainPause)*largeSize; sent > most {
		t.Errorf("%d MB were read of a peer that was told to stop, want at most %d", sent>>20, most>>20)
	}
}
