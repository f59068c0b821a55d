package relay_test

import (
	"strings"
	"testing"

	"github.com/coder/websocket"

	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

// A client that compresses hears the same events, stored and live, small and
// large; one that may not is served all the same.
func TestCompression(t *testing.T) {
	for _, on := range []bool{true, false} {
		r := start(t, func(c *relay.Config) { c.Compression = on })
		w := r.Dial(t)
		small, large := alice.Note(t, "small"), alice.Note(t, strings.Repeat("large \u2028 ", 2000))
		w.Accepted(t, small)
		conn, resp, err := websocket.Dial(t.Context(), r.URL, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if agreed := resp.Header.Get("Sec-WebSocket-Extensions") != ""; agreed != on {
			t.Errorf("compression %v, and agreed %v", on, agreed)
		}
		conn.SetReadLimit(-1)
		hear := func() wire.Reply {
			_, p, err := conn.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			reply, err := wire.ParseReply(p)
			if err != nil {
				t.Fatal(err)
			}
			return reply
		}
		ask := `["REQ","all",{"#t":["` + strings.Repeat("compressible ", 100) + `"]},{}]`
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(ask)); err != nil {
			t.Fatal(err)
		}
		if got := hear(); string(got.Event) != string(small.Raw) {
			t.Errorf("stored: %s", got.Event)
		}
		if got := hear(); got.Verb != wire.EOSE {
			t.Errorf("heard %v", got.Verb)
		}
		w.Accepted(t, large)
		if got := hear(); string(got.Event) != string(large.Raw) {
			t.Errorf("live: %.100s", got.Event)
		}
		relaytest.Eventually(t, "it is counted", func() bool { return r.Metric(t, "moa_delivered_events_total") == 1 })
	}
}
