package relay_test

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"moa/relay/relaytest"
)

// rawConn is a WebSocket whose messages are read only when the test says so.
type rawConn struct {
	net.Conn
	in *bufio.Reader
}

func dialRaw(t *testing.T, r *relaytest.Relay) *rawConn { return dialRawAs(t, r, "127.0.0.1") }

// dialRawAs connects as a trusted proxy does for a client at that address.
func dialRawAs(t *testing.T, r *relaytest.Relay, ip string) *rawConn {
	t.Helper()
	conn, err := (&net.Dialer{Control: smallWindow}).Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nX-Forwarded-For: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", r.Addr, ip)
	c := &rawConn{conn, bufio.NewReader(conn)}
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(line) == "" {
			return c
		}
	}
}

// smallWindow makes what is not read soon the relay's to hold. It is called before
// the connection is made: a window that shrinks afterwards below half of what it
// was, and below a segment, is filled by Linux only when it probes, which is once
// in minutes.
func smallWindow(_, _ string, raw syscall.RawConn) (err error) {
	if e := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10) }); e != nil {
		return e
	}
	return err
}

// say sends a text frame, masked with zeros.
func (c *rawConn) say(t *testing.T, m string) {
	t.Helper()
	if len(m) > 125 {
		t.Fatal("too long for this client")
	}
	if _, err := c.Write(append([]byte{0x81, 0x80 | byte(len(m)), 0, 0, 0, 0}, m...)); err != nil {
		t.Fatal(err)
	}
}

// frame reads one frame: its first byte and its payload.
func (c *rawConn) frame() (first byte, payload []byte, err error) {
	c.SetReadDeadline(time.Now().Add(relaytest.Patience))
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	wide := map[int]int{126: 2, 127: 8}[n]
	if wide > 0 {
		n = 0
		for range wide {
			b, _ := c.in.ReadByte()
			n = n<<8 | int(b)
		}
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.in, payload)
	return head[0], payload, err
}

// sayLong is say for up to 64 KiB.
func (c *rawConn) sayLong(t *testing.T, m string) {
	t.Helper()
	if _, err := c.Write(append([]byte{0x81, 0xfe, byte(len(m) >> 8), byte(len(m)), 0, 0, 0, 0}, m...)); err != nil {
		t.Fatal(err)
	}
}

// messages reads frames until the connection ends.
func (c *rawConn) messages(t *testing.T) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			first, m, err := c.frame()
			if err != nil {
				t.Errorf("reading: %v", err)
				return
			}
			if first&0xf == 1 && !yield(string(m)) {
				return
			}
		}
	}
}

// untilClose reads messages until the close frame, which must be the last, and
// returns its code.
func (c *rawConn) untilClose(t *testing.T, heard func(m string)) (code int) {
	t.Helper()
	for {
		first, payload, err := c.frame()
		switch {
		case err == io.EOF && code != 0:
			return code
		case err != nil:
			t.Fatalf("reading: %v", err)
		case code != 0:
			t.Fatalf("behind the close frame: %q", payload)
		case first&0xf == 8:
			code = int(payload[0])<<8 | int(payload[1])
		case first&0xf == 1:
			heard(string(payload))
		}
	}
}
