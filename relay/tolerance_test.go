package relay_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

// Wherever a message is cut off, its client hears of it, once.
func TestACutMessageIsAnswered(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Counts = 1 })
	c := r.Dial(t)
	e := alice.Note(t, "whole", event.Tag{"t", "x"})
	for _, whole := range []string{
		`["EVENT",` + string(e.Raw) + `]`, `["AUTH",` + string(e.Raw) + `]`,
		`["REQ","q",{"kinds":[1],"#t":["a"],"limit":1}]`, `["COUNT","q",{"kinds":[1]}]`, `["CLOSE","q"]`,
		`["NEG-OPEN","q",{"kinds":[1]},"61"]`, `["NEG-MSG","q","61"]`, `["NEG-CLOSE","q"]`,
	} {
		for n := 1; n < len(whole); n++ {
			c.Say(t, "%s", whole[:n])
			m := c.Next(t)
			if v, err := wire.ParseReply([]byte(m)); err != nil || v.Verb == wire.Event || v.Verb == wire.EOSE || v.Verb == wire.OK && v.OK {
				t.Fatalf("%s: heard %s", whole[:n], m)
			}
			if strings.HasPrefix(m, `["OK","",`) {
				t.Errorf("%s: an OK that is nobody's: %s", whole[:n], m)
			}
			c.Say(t, `["REQ","sane",{"limit":0}]`) // so that it is not a row of garbage
			c.Hear(t, wire.EOSE)
		}
	}
	c.Quiet(t)
}

// What is behind an event is nobody's signed word; the event is as good without
// it. Behind a filter it would be one more.
func TestElementsBehindAnEventAreIgnored(t *testing.T) {
	r := start(t, nil)
	c := r.Dial(t)
	for i, extra := range []string{`"x"`, `{"seen":["wss://a"]}`, `null,[1,{}]`, ` {} , 1`} {
		e := alice.Note(t, fmt.Sprint(i))
		c.Say(t, "%s", `["EVENT",`+string(e.Raw)+`,`+extra+`]`)
		if ok := c.HearOK(t, e.ID.String()); !ok.OK {
			t.Errorf("%s: %s", extra, ok.Text)
		}
		if got := only(t, c.Query(t, `{"ids":["`+e.ID.String()+`"]}`)); string(got.Raw) != string(e.Raw) {
			t.Errorf("%s: came back as %s", extra, got.Raw)
		}
	}
	e := alice.Note(t, "bad")
	for _, junk := range []string{`x`, `,`, `,]`, ` {}`, `,{"a"}`} {
		c.Say(t, "%s", `["EVENT",`+string(e.Raw)+junk+`]`)
		if ok := c.HearOK(t, e.ID.String()); ok.OK {
			t.Errorf("%s was accepted", junk)
		}
	}
	for _, m := range []string{`["CLOSE","q",1]`, `["REQ","q",{},1]`} {
		c.Say(t, "%s", m)
		if v, _ := wire.ParseReply([]byte(c.Next(t))); v.Verb != wire.Notice && v.Verb != wire.Closed {
			t.Errorf("%s: %s", m, v.Verb)
		}
	}
}

// Clients of languages that have one type of number.
func TestWholeNumbersAreTakenHoweverTheyAreWritten(t *testing.T) {
	r := start(t, nil)
	c := r.Dial(t)
	e := alice.Sign(t, event.Event{Kind: 10, CreatedAt: 1_700_000_000})
	c.Accepted(t, e)
	for _, f := range []string{
		`{"kinds":[10.0]}`, `{"kinds":[1e1]}`, `{"kinds":[1.0E+1]}`, `{"since":1.7e9,"until":17000000000e-1}`, `{"limit":10.0}`, `{"until":1e400}`,
	} {
		sameIDs(t, f, c.Query(t, f), e)
	}
	for _, f := range []string{`{"kinds":[1.5]}`, `{"since":-1.0}`, `{"limit":1e}`, `{"limit":.5}`, `{"since":1700000000.5}`, `{"kinds":[1e400]}`, `{"kinds":[1e-400]}`} {
		c.Closed(t, "q", "invalid: ", `["REQ","q",`+f+`]`)
	}
}

// RFC 9110: a list may stand on several lines.
func TestListHeadersOnSeveralLines(t *testing.T) {
	r := start(t, nil)
	for _, lines := range []string{
		"Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
		"Connection: keep-alive, upgrade\r\nUpgrade: h2c\r\nUpgrade: WebSocket\r\n",
		"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n",
	} {
		conn, err := net.Dial("tcp", r.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n%sSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", r.Addr, lines)
		status := make([]byte, len("HTTP/1.1 101"))
		if _, err := conn.Read(status); err != nil || string(status) != "HTTP/1.1 101" {
			t.Errorf("%q: %s %v", lines, status, err)
		}
	}
}

// What a script reads of an error, and what a preflight promises.
func TestErrorsCanBeReadByScripts(t *testing.T) {
	r := start(t, nil)
	for _, q := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/", 405},
		{"HEAD", "/upload", 404},
		{"GET", "/nothing", 404},
		{"PUT", "/upload", 404},
		{"OPTIONS", "/", 204},
		{"OPTIONS", "/upload", 204},
		{"GET", "/geo/events", 404},
	} {
		resp, _ := get(t, r, q.method, q.path)
		if resp.StatusCode != q.status || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s %s: %s %v", q.method, q.path, resp.Status, resp.Header)
		}
		if m := resp.Header.Get("Access-Control-Allow-Methods"); m != "GET, HEAD, OPTIONS" {
			t.Errorf("%s %s promises %q", q.method, q.path, m)
		}
	}
	if resp, _ := get(t, r, "GET", "/favicon.ico"); resp.StatusCode != 204 {
		t.Errorf("/favicon.ico: %s", resp.Status)
	}
	full := start(t, func(c *relay.Config) { c.Limits.Connections = 1 })
	full.Dial(t)
	if _, resp, err := relaytest.TryDial(full.URL); err == nil || resp == nil || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a handshake that is turned away: %v, %v", err, resp)
	}
	hosting := relaytest.Start(t, relaytest.Options{Handler: http.NotFoundHandler()})
	if resp, _ := get(t, hosting, "OPTIONS", "/"); !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("with a handler: %v", resp.Header)
	}
}

func TestNIP11SoftwareIsNamed(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.URL, c.Info.Version = "wss://relay.example/", "1.2.3" })
	doc := document(t, r)
	if doc["software"] != "https://relay.example/#moa" || doc["version"] != "moa 1.2.3" {
		t.Errorf("NIP11.3: %v %v", doc["software"], doc["version"])
	}
	if _, page := get(t, r, "GET", "/"); !strings.Contains(page, `id="moa"`) {
		t.Error("the page has no such place")
	}
}

// NIP01.25: a filter for a tag of several letters finds nothing, stored or live,
// and takes nothing from the REQ's other filters. Nothing says that it found all.
func TestTagsOfSeveralLettersEndNoREQ(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.EOSEHints = true })
	c := r.Dial(t)
	note := func(kind uint16, text string) *event.Event {
		return alice.Sign(t, event.Event{Kind: kind, Content: text, Tags: tags([]string{"platform", "web"})})
	}
	one, seven := note(1, "a"), note(7, "b")
	c.Accepted(t, one, seven)
	got, eose := c.Ask(t, "q", `{"kinds":[1],"#platform":["web"]}`, `{"kinds":[7]}`)
	sameIDs(t, "the other filter's", got, seven)
	if len(eose.Hints) > 0 {
		t.Errorf("called whole: %v", eose.Hints)
	}
	c.Say(t, `["COUNT","n",{"kinds":[1],"#platform":["web"]}]`)
	if n := c.Hear(t, wire.Count); n.Count != 0 || !n.Approximate {
		t.Errorf("counted %d, approximate %v", n.Count, n.Approximate)
	}
	w := r.Dial(t)
	live := note(7, "c")
	w.Accepted(t, note(1, "d"), live)
	if e := c.Event(t, "q"); e.ID != live.ID {
		t.Errorf("live: %s", e.Raw)
	}
	c.Quiet(t)
	for _, name := range []string{"nip05", "max_participants", "i-tag"} {
		sameIDs(t, "beside #"+name, c.Query(t, `{"#`+name+`":["x"]}`, `{"ids":["`+seven.ID.String()+`"]}`), seven)
	}
}

// Of a REQ or COUNT with several filters a CLOSED names the one that it is about,
// whoever refuses it.
func TestAClosedNamesTheFilterThatItIsAbout(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{
		Chain:  chainFrom(t, map[string]any{"use": "owner-only"}),
		Config: func(c *relay.Config) { c.Limits.FilterValues = 3 },
	})
	for _, verb := range []string{"REQ", "COUNT"} {
		c := r.Dial(t)
		for filter, want := range map[string]string{
			`{"#1":["a"]}`: `unsupported: filter 3: unknown filter field "#1"`, `{"ids":["a"]}`: "invalid: filter 3: ids: ",
			`{"kinds":[1,2,3,4]}`: "invalid: filter 3: more than 3 values", `{"search":"x"}`: "unsupported: filter 3: this relay does not search",
			`{"kinds":[30078]}`: "auth-required: filter 3: authenticate to read these kinds", `{"kinds":[1059]}`: "auth-required: filter 3: ",
		} {
			c.Closed(t, "x", want, `["`+verb+`","x",{},{"kinds":[1]},`+filter+`]`)
		}
		c.Closed(t, "x", "unsupported: this relay does not search", `["`+verb+`","x",{"search":"x"}]`)
	}
}

// What has a valid id and signature is a good event, however odd its tags are: what
// a tag does not say it does not do.
func TestOddTagsMakeNoEventMalformed(t *testing.T) {
	r := start(t, nil)
	c := r.Dial(t)
	odd := tags(
		[]string{"e"}, []string{"e", "x"}, []string{"p"}, []string{"p", "npub1xyz"}, []string{"a", "x"}, []string{"a", "99999:" + alice.Hex() + ":"}, []string{"k", "x"},
		[]string{"d"}, []string{"expiration"}, []string{"expiration", "soon"}, []string{"expiration", "1e3"}, []string{"expiration", "-5"}, []string{"nonce", "x", "y"}, []string{"nonce"},
		[]string{"delegation", "x"}, []string{"relay", "::"}, []string{"g", "ail"}, []string{"g", ""}, []string{"i", "geo:"}, []string{"l"}, []string{"L"}, []string{"--"},
		[]string{""}, []string{"", "x"}, []string{"\x00", "\x00"}, []string{"t", strings.Repeat("x", 5000)}, []string{"é", "z"}, []string{"h"}, []string{"q", "x"}, []string{"amount", "-1"},
	)
	for _, kind := range []uint16{1, 5, 6, 7, 1063, 1111, 1984, 9735, 20000} {
		c.Stored(t, "live", fmt.Sprintf(`{"kinds":[%d],"limit":0}`, kind))
		for _, tag := range append(odd, nil) {
			e := event.Event{Kind: kind, CreatedAt: 1_700_000_000, Tags: []event.Tag{tag}}
			if tag == nil {
				e.Tags = odd
			}
			signed := alice.Sign(t, e)
			w := r.Dial(t)
			w.Accepted(t, signed)
			w.Close()
			if got := c.Event(t, "live"); got.ID != signed.ID {
				t.Errorf("kind %d, %q: heard %s", kind, tag, got.Raw)
			}
		}
	}
}

// Only what says by no id what it is about is garbage. A client may have a row of
// events that are malformed by our reading, and right by their author's: an archive
// that is published again has them, and the relay hears them all.
func TestAMalformedEventIsNoGarbage(t *testing.T) {
	r := start(t, nil)
	c := r.Dial(t)
	for i := range 600 {
		c.Refused(t, alice.Sign(t, event.Event{Kind: 1, Content: fmt.Sprint(i), Tags: []event.Tag{{}}}), "invalid: tags: a tag is empty")
	}
	for range 600 {
		c.Closed(t, "q", "unsupported: ", `["REQ","q",{"kind":[1]}]`)
	}
	c.Accepted(t, alice.Note(t, "still here"))
}

// Applications were seen with dozens of subscriptions on one connection.
func TestAConnectionHasManySubscriptions(t *testing.T) {
	r := start(t, nil)
	c := r.Dial(t)
	for i := range 128 {
		c.Stored(t, fmt.Sprint(i), `{"kinds":[1],"authors":["`+alice.Hex()+`"]}`)
	}
	c.Closed(t, "one more", "rate-limited: ", `["REQ","one more",{}]`)
}
