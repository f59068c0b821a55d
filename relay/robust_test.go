package relay_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

// Whatever Host and path a client asks for, the answer is HTTP, and the next client
// is served.
func TestOddRequests(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	long := strings.Repeat("x", 10_000)
	for _, path := range []string{"/", "//", "/..", "/%00", "/%ff%fe", "/?" + long, "/" + long, "/\\", "/;x", "http://other.example.com/", "*", ""} {
		for _, host := range []string{r.Addr, "", "x", "[::1", "a b", "a\x00b", "é.example", long, "user@host", "host:port", "host:99999", ":7447", "xn--", "."} {
			conn, err := net.Dial("tcp", r.Addr)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(relaytest.Patience))
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, host)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("%.20q of %.20q: %v", path, host, err)
			}
			if here := strings.TrimPrefix(path, "http://other.example.com"); resp.StatusCode == http.StatusSwitchingProtocols && here != "/" && !strings.HasPrefix(here, "/?") {
				t.Errorf("NIP01.40: a WebSocket at %.20q", path)
			}
			conn.Close()
		}
	}
	r.Dial(t).Accepted(t, alice.Note(t, "still here"))
}

// Odd hosts that are served all the same: AUTH for them fails or holds, a vanish
// does not, and nothing ends the connection.
func TestOddHosts(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	for _, host := range []string{"x", "host:99999", "xn--", ".", "a_b", strings.Repeat("a.", 200)} {
		c, _, err := relaytest.TryDial(r.URL, "Host", host)
		if err != nil {
			continue // refused by net/http
		}
		challenge := c.Challenge(t)
		e := alice.Auth(t, "wss://"+host, challenge)
		c.Say(t, "%s", `["AUTH",`+string(e.Raw)+`]`)
		c.HearOK(t, e.ID.String())
		c.Refused(t, vanish(t, alice, 0, "wss://"+host), "restricted: ")
		c.Accepted(t, bob.Note(t, host))
		c.Close()
	}
}

// The machine's clock is set: nothing hangs, and what was stored stays.
func TestTheClockJumps(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c, live := r.Dial(t), r.Dial(t)
		live.Stored(t, "live", `{"kinds":[1]}`)
		n := 0
		for _, jump := range []time.Duration{0, 48 * time.Hour, -96 * time.Hour, 24 * 365 * time.Hour, -24 * 365 * time.Hour} {
			r.Advance(jump)
			e := alice.Sign(t, event.Event{Kind: 1, CreatedAt: r.Now().Unix(), Content: jump.String(), Tags: tags([]string{"expiration", fmt.Sprint(r.Now().Unix() + 10*365*24*3600)})})
			c.Accepted(t, e)
			n++
			sameIDs(t, fmt.Sprintf("live after a jump of %v", jump), []*event.Event{live.Event(t, "live")}, e)
			if got := len(c.Query(t, `{"kinds":[1]}`)); got != n {
				t.Errorf("after a jump of %v: %d of %d", jump, got, n)
			}
			d := r.Dial(t)
			now := alice.Sign(t, event.Event{Kind: 22242, CreatedAt: r.Now().Unix(), Tags: tags([]string{"relay", r.URL}, []string{"challenge", d.Challenge(t)})})
			d.Say(t, "%s", `["AUTH",`+string(now.Raw)+`]`)
			if ok := d.HearOK(t, now.ID.String()); !ok.OK {
				t.Errorf("AUTH after a jump of %v: %s", jump, ok.Text)
			}
		}
	})
}

// A message that inflates beyond the bound is not inflated: the connection ends
// with 1009, and the memory of the bomb was never taken.
func TestADeflateBombEndsItsConnectionAlone(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.MessageBytes = 100_000 })
	conn, _, err := websocket.Dial(t.Context(), r.URL, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	other := r.Dial(t)
	if err := conn.Write(t.Context(), websocket.MessageText, make([]byte, 50<<20)); err == nil {
		_, _, err = conn.Read(t.Context())
		if code := websocket.CloseStatus(err); code != websocket.StatusMessageTooBig {
			t.Errorf("closed with %v", err)
		}
	}
	other.Accepted(t, alice.Note(t, "n"))
	other.Say(t, `["REQ","x",{}]`)
	other.Hear(t, wire.Event)
}

// Frames of a message may come one byte at a time, with pings between them.
func TestFragmentsMakeOneMessage(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := dialRaw(t, r)
	message := `["REQ","fragments",{"kinds":[1],"limit":0}]`
	for i := range message {
		first, last := byte(0), byte(0)
		if i == 0 {
			first = 1
		}
		if i == len(message)-1 {
			last = 0x80
		}
		frame := []byte{first | last, 0x81, 0, 0, 0, 0, message[i]}
		if i%10 == 5 {
			frame = append([]byte{0x89, 0x80, 0, 0, 0, 0}, frame...) // a ping
		}
		if _, err := c.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	for m := range c.messages(t) {
		if !strings.HasPrefix(m, `["EOSE","fragments"`) {
			t.Errorf("heard %s", m)
		}
		break
	}
}
