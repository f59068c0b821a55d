package ws

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// socket returns both ends of a connection: a real one, so that its bytes come
// the way they do in life, or one that can only be read plainly.
func socket(t testing.TB, o *Options, plain bool) (*Conn, net.Conn) {
	if !plain {
		return pair(t, o, true)
	}
	server, client := net.Pipe()
	c := newConn(server, o.WithDefaults(), true, nil)
	t.Cleanup(func() { c.CloseNow(); client.Close() })
	return c, client
}

// Whatever comes, in whatever pieces: no panic, no message over the limit or of
// bad UTF-8 passed off as text, no buffer that the bytes do not account for.
func FuzzRead(f *testing.F) {
	f.Add(frame(0x81, "hello"), uint16(1), false)
	f.Add(append(frame(0x01, "he"), frame(0x80, "llo")...), uint16(3), true)
	f.Add(frame(0xc1, squeeze(note(300), 6)), uint16(100), false)
	f.Add(frame(0xc1, squeeze(strings.Repeat("z", 100_000), 6)), uint16(7), false)
	f.Add(append(frame(0x89, "ping"), frame(0x88, "\x03\xe8")...), uint16(2), true)
	f.Add([]byte{0x81, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, uint16(4), false)
	const most = 20_000
	f.Fuzz(func(t *testing.T, data []byte, piece uint16, plain bool) {
		c, nc := socket(t, &Options{MaxMessage: most, CloseTimeout: 10 * time.Millisecond}, plain)
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			for part := range slices.Chunk(data, int(piece)+1) {
				if _, err := nc.Write(part); err != nil {
					break
				}
			}
			nc.Close()
		}()
		for {
			c.Ready()
			msg, err := c.Read()
			if err != nil {
				break
			}
			if len(msg) > most {
				t.Errorf("a message of %d bytes", len(msg))
			}
			if c.in != nil && len(c.in.b) > 4*largeSize {
				t.Errorf("a buffer of %d bytes", len(c.in.b))
			}
		}
		if c.in != nil {
			t.Error("the buffer was not given back")
		}
		c.CloseNow()
		<-wrote
	})
}

// What a client that follows the RFC sends arrives unchanged, however it cuts
// it into frames and the network into pieces, and whatever pings it throws in.
func FuzzReferenceClient(f *testing.F) {
	f.Add("hello", "", []byte{1, 2, 3}, uint16(1), false)
	f.Add(note(3000), noise(200), []byte{200, 0, 7, 130}, uint16(4000), true)
	f.Add(noise(9000), "€", []byte{255, 255}, uint16(100), false)
	f.Fuzz(func(t *testing.T, one, two string, cuts []byte, piece uint16, plain bool) {
		var stream []byte
		texts := []string{one, two, one}
		for i, text := range texts {
			stream = append(stream, clientMessage(text, cuts, i%2 == 0)...)
		}
		c, nc := socket(t, &Options{MaxMessage: 1 << 20}, plain)
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			for part := range slices.Chunk(stream, int(piece)+1) {
				nc.Write(part)
			}
		}()
		go func() { // pongs, so that they do not stop a pipe
			b := make([]byte, 1000)
			for {
				if _, err := nc.Read(b); err != nil {
					return
				}
			}
		}()
		for i, want := range texts {
			msg, err := c.Read()
			if err != nil || string(msg) != want {
				t.Fatalf("message %d: %.50q %v, want %.50q", i, msg, err, want)
			}
		}
		<-wrote
	})
}

// clientMessage makes frames of a text: each cut says how long the next
// fragment is and, if odd, that a ping comes before it.
func clientMessage(text string, cuts []byte, deflated bool) []byte {
	payload, first := text, byte(0x02) // binary: any bytes are allowed
	if deflated {
		payload, first = squeeze(text, 6), 0x42
	}
	var out []byte
	for _, cut := range cuts {
		if cut%2 == 1 {
			out = append(out, frame(0x89, "ping")...)
		}
		n := min(int(cut), len(payload))
		out = append(out, frame(first, payload[:n])...)
		payload, first = payload[n:], 0
	}
	return append(out, frame(first|0x80, payload)...)
}
