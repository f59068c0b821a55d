package relay_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"moa/relay"
	"moa/relay/relaytest"
)

// dialFrom opens a TCP connection from an address of this machine's.
func dialFrom(t testing.TB, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: relaytest.Patience}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ended reports whether the relay has ended the connection, on which it says
// nothing.
func ended(t testing.TB, c net.Conn, within time.Duration) bool {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(within))
	_, err := c.Read(make([]byte, 1))
	timeout, ok := err.(net.Error)
	return err != nil && (!ok || !timeout.Timeout())
}

// However many connections one address opens and leaves silent, others come in,
// and of its own the oldest has to go.
func TestSilenceLocksNobodyOut(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Handshakes = 20 })
	const attacker, other = "127.0.0.2", "127.0.0.3"
	quiet := dialFrom(t, other, r.Addr)
	var silent []net.Conn
	for range 60 {
		silent = append(silent, dialFrom(t, attacker, r.Addr))
	}
	relaytest.Eventually(t, "the oldest go", func() bool {
		return r.Metric(t, "moa_connections_refused_total", "reason", "handshakes") >= 41
	})
	if ended(t, quiet, 50*time.Millisecond) {
		t.Error("the one connection of another address had to go")
	}
	client := &http.Client{Timeout: relaytest.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 30 {
		resp, err := client.Get("http://" + r.Addr + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		r.Dial(t).Query(t, `{}`)
	}
	for i, c := range silent[:40] {
		if !ended(t, c, relaytest.Patience) {
			t.Fatalf("silent connection %d of 60 is still open", i)
		}
	}
}

// A client that asks and does not read the answers is cut off, WebSocket or not; what
// became a WebSocket has its own timeout.
func TestUnreadAnswersEndTheConnection(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.WriteTimeout = time.Second })
	ws := r.Dial(t)
	c, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.(*net.TCPConn).SetReadBuffer(4096)
	c.SetDeadline(time.Now().Add(relaytest.Patience))
	for err == nil { // until nothing more fits, and then until the relay gives up
		_, err = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", r.Addr)
	}
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Fatal("the relay still holds a connection that reads nothing")
	}
	ws.Query(t, `{}`)
}

// A handler beside the relay may take as long as it likes as long as the client
// reads.
func TestLongAnswersOfAHandlerAreNotCut(t *testing.T) {
	const parts, timeout = 4, time.Second
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range parts {
			w.Write(make([]byte, 10_000))
			http.NewResponseController(w).Flush()
			time.Sleep(timeout / 2)
		}
	})
	r := relaytest.Start(t, relaytest.Options{Handler: handler, Config: func(c *relay.Config) { c.WriteTimeout = timeout }})
	resp, err := http.Get("http://" + r.Addr + "/blob")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || len(body) != parts*10_000 {
		t.Errorf("%d bytes: %v", len(body), err)
	}
}
