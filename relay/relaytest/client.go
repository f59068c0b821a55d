package relaytest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moa/nips/event"
	"moa/nips/wire"
)

// Client is one connection. It reads at once what the relay says, and keeps that
// until the test asks for it. It is for one goroutine.
type Client struct {
	URL  string
	Conn *websocket.Conn

	mu    sync.Mutex // guards the following
	heard []string
	err   error
	news  chan struct{} // has one element if there is something new

	challenge string // that came by the way
}

// fences numbers what UpToNow publishes: no client hears another one's.
var fences atomic.Int64

// Dial connects, with optional HTTP headers.
func (r *Relay) Dial(t testing.TB, header ...string) *Client {
	t.Helper()
	return Dial(t, r.URL, header...)
}

// DialCompressed connects with permessage-deflate.
func (r *Relay) DialCompressed(t testing.TB) *Client {
	t.Helper()
	c, _, err := dial(r.URL, websocket.CompressionNoContextTakeover)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Dial connects to a relay that is running somewhere.
func Dial(t testing.TB, url string, header ...string) *Client {
	t.Helper()
	c, _, err := TryDial(url, header...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TryDial connects, or returns the HTTP answer that it got instead.
func TryDial(url string, header ...string) (*Client, *http.Response, error) {
	return dial(url, websocket.CompressionDisabled, header...)
}

func dial(url string, mode websocket.CompressionMode, header ...string) (*Client, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	h := http.Header{}
	var host string
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			host = header[i+1]
			continue
		}
		h.Add(header[i], header[i+1])
	}
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: h, Host: host, CompressionMode: mode})
	if err != nil {
		return nil, resp, err
	}
	conn.SetReadLimit(-1)
	c := &Client{URL: url, Conn: conn, news: make(chan struct{}, 1)}
	go c.listen()
	return c, resp, nil
}

func (c *Client) listen() {
	for {
		_, p, err := c.Conn.Read(context.Background())
		c.mu.Lock()
		if m := string(p); err == nil && !isFence(m) {
			c.heard = append(c.heard, m)
		}
		c.err = err
		c.mu.Unlock()
		select {
		case c.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// isFence reports an event of UpToNow that came to a subscription of the test's.
func isFence(m string) bool {
	return strings.Contains(m, `"kind":29999,"tags":[["z","fence`) && !strings.HasPrefix(m, `["EVENT","fence"`)
}

// Close ends the connection without ceremony.
func (c *Client) Close() { c.Conn.CloseNow() }

// Say sends a text message.
func (c *Client) Say(t testing.TB, format string, args ...any) {
	t.Helper()
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	if err := c.TrySay(format); err != nil {
		t.Fatalf("say %.100s: %v", format, err)
	}
}

// TrySay is Say for a connection that may be over.
func (c *Client) TrySay(message string) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return c.Conn.Write(ctx, websocket.MessageText, []byte(message))
}

// Publish sends an EVENT without waiting for the answer.
func (c *Client) Publish(t testing.TB, e *event.Event) {
	t.Helper()
	c.Say(t, `["EVENT",`+string(e.Raw)+`]`)
}

// Next returns the next message as it stands.
func (c *Client) Next(t testing.TB) string {
	t.Helper()
	m, err := c.TryNext(Patience)
	if err != nil {
		t.Fatalf("heard nothing more: %v", err)
	}
	if err := grammar(m); err != nil {
		t.Errorf("%.300s: %v", m, err)
	}
	return m
}

// TryNext waits that long for the next message.
func (c *Client) TryNext(wait time.Duration) (string, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		if len(c.heard) > 0 {
			m := c.heard[0]
			c.heard = c.heard[1:]
			c.mu.Unlock()
			return m, nil
		}
		err := c.err
		c.mu.Unlock()
		if err != nil {
			return "", err
		}
		select {
		case <-c.news:
		case <-timeout.C:
			return "", context.DeadlineExceeded
		}
	}
}

// Hear returns the next message, which must be of that verb. A challenge that was
// not asked for is kept for Authenticate.
func (c *Client) Hear(t testing.TB, verb wire.Verb) wire.Reply {
	t.Helper()
	m := c.Next(t)
	for verb != wire.Auth && c.keep(m) {
		m = c.Next(t)
	}
	r, err := wire.ParseReply([]byte(m))
	if err != nil {
		t.Fatalf("%s: %v", m, err)
	}
	if r.Verb != verb {
		t.Fatalf("want %s, heard %.300s", verb, m)
	}
	return r
}

// keep keeps a challenge, and reports whether m is one.
func (c *Client) keep(m string) bool {
	r, err := wire.ParseReply([]byte(m))
	if err != nil || r.Verb != wire.Auth {
		return false
	}
	c.challenge = r.Text
	return true
}

// HearOK returns the next message, which must be an OK for that id.
func (c *Client) HearOK(t testing.TB, id string) wire.Reply {
	t.Helper()
	r := c.Hear(t, wire.OK)
	if r.ID != id {
		t.Fatalf("want the OK of %q, heard that of %q: %v %s", id, r.ID, r.OK, r.Text)
	}
	return r
}

// Send publishes an event and returns its OK.
func (c *Client) Send(t testing.TB, e *event.Event) wire.Reply {
	t.Helper()
	c.Publish(t, e)
	return c.HearOK(t, e.ID.String())
}

// Accepted publishes events that the relay must take.
func (c *Client) Accepted(t testing.TB, events ...*event.Event) {
	t.Helper()
	for _, e := range events {
		if r := c.Send(t, e); !r.OK {
			t.Fatalf("kind %d was refused: %s", e.Kind, r.Text)
		}
	}
}

// Refused publishes an event that the relay must refuse with such a text.
func (c *Client) Refused(t testing.TB, e *event.Event, prefix string) {
	t.Helper()
	if r := c.Send(t, e); r.OK || !strings.HasPrefix(r.Text, prefix) {
		t.Fatalf("kind %d: want OK false %q, heard %v %q", e.Kind, prefix, r.OK, r.Text)
	}
}

// Stored subscribes under id and returns the events up to EOSE. The
// subscription stays open.
func (c *Client) Stored(t testing.TB, id string, filters ...string) []*event.Event {
	t.Helper()
	events, _ := c.Ask(t, id, filters...)
	return events
}

// Ask is Stored with the EOSE.
func (c *Client) Ask(t testing.TB, id string, filters ...string) ([]*event.Event, wire.Reply) {
	t.Helper()
	c.Say(t, `["REQ","`+id+`",`+strings.Join(filters, ",")+`]`)
	var events []*event.Event
	for {
		m := c.Next(t)
		if c.keep(m) {
			continue
		}
		r, err := wire.ParseReply([]byte(m))
		if err != nil || r.SubID != id {
			t.Fatalf("REQ %s %v: heard %.300s %v", id, filters, m, err)
		}
		switch r.Verb {
		case wire.EOSE:
			return events, r
		case wire.Event:
			events = append(events, parse(t, r))
		default:
			t.Fatalf("REQ %s %v: heard %.300s", id, filters, m)
		}
	}
}

// Query is Stored and CLOSE.
func (c *Client) Query(t testing.TB, filters ...string) []*event.Event {
	t.Helper()
	events := c.Stored(t, "query", filters...)
	c.Say(t, `["CLOSE","query"]`)
	return events
}

// Event returns the next message, which must be an EVENT of that subscription.
func (c *Client) Event(t testing.TB, sub string) *event.Event {
	t.Helper()
	r := c.Hear(t, wire.Event)
	if r.SubID != sub {
		t.Fatalf("want an event of %s, heard one of %s", sub, r.SubID)
	}
	return parse(t, r)
}

func parse(t testing.TB, r wire.Reply) *event.Event {
	t.Helper()
	e, err := event.Parse(r.Event)
	if err != nil {
		t.Fatalf("the relay sent %s: %v", r.Event, err)
	}
	return e
}

// Count asks for a COUNT.
func (c *Client) Count(t testing.TB, filters ...string) int {
	t.Helper()
	c.Say(t, `["COUNT","count",`+strings.Join(filters, ",")+`]`)
	return int(c.Hear(t, wire.Count).Count)
}

// Closed says something and expects a CLOSED of that id with such a text.
func (c *Client) Closed(t testing.TB, id, prefix, message string) {
	t.Helper()
	c.Say(t, "%s", message)
	if r := c.Hear(t, wire.Closed); r.SubID != id || !strings.HasPrefix(r.Text, prefix) {
		t.Fatalf("%.100s: want CLOSED %s %q, heard %s %q", message, id, prefix, r.SubID, r.Text)
	}
}

// Quiet passes if the relay has nothing more to say: the fan-out of all that was
// published before is over, and nothing of it came here.
func (c *Client) Quiet(t testing.TB) {
	t.Helper()
	if heard := c.UpToNow(t); len(heard) > 0 {
		t.Fatalf("want silence, heard %.500s", heard)
	}
}

// UpToNow returns every message that the relay has for this client when the
// fan-out of all that was published before is over. Fan-out keeps the order of
// events: the one that UpToNow publishes, and hears by a subscription of its own,
// comes behind them.
func (c *Client) UpToNow(t testing.TB) []string {
	t.Helper()
	mark := fmt.Sprintf("fence %d", fences.Add(1))
	e := NewKey(255).Sign(t, event.Event{Kind: 29999, Content: mark, Tags: []event.Tag{{"z", mark}}})
	c.Say(t, `["REQ","fence",{"kinds":[29999],"#z":["%s"],"limit":0}]`, mark)
	c.Publish(t, e)
	var heard []string
	for {
		m := c.Next(t)
		switch {
		case strings.HasPrefix(m, `["EVENT","fence"`):
			c.Say(t, `["CLOSE","fence"]`)
			return heard
		case strings.HasPrefix(m, `["EOSE","fence"`), strings.HasPrefix(m, `["OK","`+e.ID.String()):
		default:
			heard = append(heard, m)
		}
	}
}

// Authenticate proves to be the key. challenge "" waits for the AUTH message.
func (c *Client) Authenticate(t testing.TB, k Key, challenge string) {
	t.Helper()
	if challenge == "" {
		challenge = c.challenge
	}
	if challenge == "" {
		challenge = c.Hear(t, wire.Auth).Text
	}
	e := k.Auth(t, c.URL, challenge)
	c.Say(t, `["AUTH",`+string(e.Raw)+`]`)
	if r := c.HearOK(t, e.ID.String()); !r.OK {
		t.Fatalf("AUTH: %s", r.Text)
	}
}

// Challenge provokes an AUTH by asking for messages, and returns its challenge.
func (c *Client) Challenge(t testing.TB) string {
	t.Helper()
	c.Say(t, `["REQ","auth",{"kinds":[1059],"limit":0}]`)
	c.Hear(t, wire.Closed)
	return c.challenge
}
