package relay_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/relay"
	"moa/relay/relaytest"
)

// endings are the ends of connections by their reason.
func endings(t *testing.T, r *relaytest.Relay, reason string) float64 {
	t.Helper()
	return r.Metric(t, "moa_connections_dropped_total", "reason", reason)
}

func TestEveryEndOfAConnectionHasAReason(t *testing.T) {
	r := start(t, func(c *relay.Config) {
		c.PingEvery, c.WriteTimeout, c.Limits.OutboxBytes = time.Hour, time.Second, 32<<20
	})
	for _, c := range []struct {
		reason string
		end    func(c *rawConn)
	}{
		{"client_close", func(c *rawConn) { c.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 0xe8}) }},
		{"client_gone", func(c *rawConn) { c.Close() }},
		{"client_gone", func(c *rawConn) { c.Conn.(*net.TCPConn).SetLinger(0); c.Close() }},
		{"protocol", func(c *rawConn) { c.Write([]byte{0x81, 5, 'h', 'e', 'l', 'l', 'o'}) }},               // not masked
		{"protocol", func(c *rawConn) { c.Write([]byte{0x81, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}) }}, // too big
		{"garbage", func(c *rawConn) {
			for range 300 {
				c.Write([]byte{0x81, 0x81, 0, 0, 0, 0, '['})
			}
		}},
		{"write_timeout", func(c *rawConn) {
			c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
			c.say(t, `["REQ","all",{"kinds":[20001]}]`)
			relaytest.Eventually(t, "it subscribes", func() bool { return r.Metric(t, "moa_subscriptions") == 1 })
			w := r.Dial(t)
			text := strings.Repeat("x", 100_000)
			i := 0
			testwait.Eventually(t, "the client that does not read is cut", func() bool {
				if i++; i <= 200 {
					w.Accepted(t, alice.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix(), Content: fmt.Sprint(i, text)}))
				}
				return endings(t, r, "write_timeout") > 0
			})
			w.Close()
			relaytest.Eventually(t, "the writer is gone", func() bool { return r.Metric(t, "moa_connections") == 0 })
		}},
	} {
		before := map[string]float64{}
		for _, reason := range relay.DropReasons() {
			before[reason] = endings(t, r, reason)
		}
		c.end(dialRaw(t, r))
		relaytest.Eventually(t, c.reason, func() bool { return endings(t, r, c.reason) == before[c.reason]+1 })
	}
	relaytest.Eventually(t, "all have ended", func() bool { return r.Metric(t, "moa_connections") == 0 })
	ended := 0.0
	for _, reason := range relay.DropReasons() {
		ended += endings(t, r, reason)
	}
	if opened := r.Metric(t, "moa_connections_total"); ended != opened {
		t.Errorf("%v connections came, %v have ended", opened, ended)
	}
}

func TestWhoAnswersNoPingIsCounted(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.PingEvery = 100 * time.Millisecond })
	dialRaw(t, r)
	relaytest.Eventually(t, "it is cut", func() bool { return endings(t, r, "ping_timeout") == 1 })
}

func TestWhoIsThereAtTheEndIsCounted(t *testing.T) {
	r := start(t, func(*relay.Config) {})
	for range 3 {
		dialRaw(t, r).Close()
	}
	relaytest.Eventually(t, "three have gone", func() bool { return endings(t, r, "client_gone") == 3 })
	r.Dial(t)
	relaytest.Eventually(t, "one is there", func() bool { return r.Metric(t, "moa_connections") == 1 })
	if err := r.Stop(); err != nil || endings(t, r, "shutdown") != 1 {
		t.Errorf("%v, %v", err, endings(t, r, "shutdown"))
	}
}
