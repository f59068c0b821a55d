package relay_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip86"
	"moa/relay"
	"moa/relay/relaytest"
)

// NIP86.2: of calls that come at once with one event, one is made: of those that change
// something, and of those that only read.
func TestNIP98OneEventIsOneCall(t *testing.T) {
	m := manageable(t, stateFile(t), nil)
	for _, body := range []string{`{"method":"banpubkey","params":["` + bob.Hex() + `"]}`, `{"method":"listbannedpubkeys","params":[]}`} {
		header := authorization(t, boss, "http://"+m.Addr, body, func(e *event.Event) { e.CreatedAt = m.Now().Unix() })
		const callers = 8
		var all sync.WaitGroup
		var mu sync.Mutex
		got := map[int]int{}
		begin := make(chan struct{})
		for range callers {
			all.Go(func() {
				<-begin
				code, err := status(m, body, header)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[code]++
			})
		}
		close(begin)
		all.Wait()
		if got[http.StatusOK] != 1 || got[http.StatusUnauthorized] != callers-1 {
			t.Errorf("%s: %v", body, got)
		}
	}
	if changes, err := m.state.Changes(t.Context(), "", 0, 10); err != nil || len(changes) != 1 {
		t.Errorf("%d changes were made, %v", len(changes), err)
	}
}

// status makes a call, for any goroutine.
func status(m *managed, body, authorization string) (int, error) {
	req, err := http.NewRequest(http.MethodPost, "http://"+m.Addr, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", nip86.ContentType)
	req.Header.Set("Authorization", authorization)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// NIP86.2: what somebody in the middle has heard is of no use: not later, for no other
// call, at no other relay, and by no other way.
func TestNIP98WhatWasHeardIsOfNoUse(t *testing.T) {
	known := func(c *relay.Config) { c.URL = "wss://relay.example.org" }
	m := manageable(t, stateFile(t), known)
	m.Hold()
	other := manageable(t, stateFile(t), func(c *relay.Config) { c.URL = "wss://other.example.org" })
	const body, another = `{"method":"allowkind","params":[7]}`, `{"method":"allowkind","params":[8]}`
	header := authorization(t, boss, "https://relay.example.org", body, func(e *event.Event) { e.CreatedAt = m.Now().Unix() })
	refused := func(what string, at *managed, path, body string, more ...string) {
		t.Helper()
		if resp, answer := at.post(t, path, body, append(more, "Authorization", header)...); resp.StatusCode == http.StatusOK || answer.Error == "" {
			t.Errorf("%s: %s %s", what, resp.Status, answer.Result)
		}
	}
	refused("another call", m, "/", another)
	refused("another relay", other, "/", body)
	refused("another relay that is told to be this", other, "/", body, "Host", "relay.example.org", "X-Forwarded-Host", "relay.example.org")
	refused("another query", m, "/?x=y", body)
	for _, way := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		get(t, m.Relay, way, "/", "Authorization", header, "Content-Type", nip86.ContentType)
	}
	// On a socket it is an event like others, which says nothing about the client.
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(header, "Nostr "))
	if err != nil {
		t.Fatal(err)
	}
	c := m.Dial(t)
	c.Say(t, `["AUTH",`+string(raw)+`]`)
	if said := c.Next(t); !strings.Contains(said, `,false,"`) {
		t.Errorf("as an AUTH it is answered with %s", said)
	}
	if changes, err := m.state.Changes(t.Context(), "", 0, 10); err != nil || len(changes) > 0 {
		t.Fatalf("%v was done, %v", changes, err)
	}
	if resp, answer := m.post(t, "/", body, "Authorization", header); resp.StatusCode != http.StatusOK {
		t.Errorf("the call itself: %s %s", resp.Status, answer.Error)
	}
	for _, later := range []time.Duration{0, time.Second, time.Minute, time.Hour} {
		m.Advance(later)
		refused(fmt.Sprint("again after ", later), m, "/", body)
	}
}

// NIP86.2: with a proxy before the relay or none, whatever a client says of hosts.
func TestNIP98NoHeaderMakesAnotherHostOurs(t *testing.T) {
	const body = `{"method":"supportedmethods","params":[]}`
	proxied := func(c *relay.Config) {
		c.URL, c.TrustedProxies = "wss://relay.example.org", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	}
	direct := func(c *relay.Config) { c.URL = "wss://relay.example.org" }
	for _, change := range []func(*relay.Config){proxied, direct, nil} {
		m := manageable(t, stateFile(t), change)
		for _, u := range []string{
			"https://evil.example", "https://relay.example.org.evil.example", "https://relay.example.org@evil.example/",
			"https://evil.example/relay.example.org", "https://relay.example.org:8443", "http://127.0.0.1", "//relay.example.org",
			"relay.example.org", "", "https://", "https://RELAY.example.org%2eevil.example",
		} {
			header := authorization(t, boss, u, body, nil)
			for _, more := range [][]string{
				nil,
				{"Host", "evil.example"},
				{"X-Forwarded-Host", "evil.example", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https"},
				{"Forwarded", "for=203.0.113.9;host=evil.example;proto=https"},
				{"X-Original-URL", "https://evil.example/", "X-Rewrite-URL", "https://evil.example/"},
			} {
				if resp, answer := m.post(t, "/", body, append(more, "Authorization", header)...); resp.StatusCode != http.StatusUnauthorized {
					t.Errorf("u %q with %v: %s %s", u, more, resp.Status, answer.Result)
				}
			}
		}
	}
}

// NIP86.2: a request line that names a host is as little believed as a Host header.
func TestNIP98ARequestLineMakesNoHostOurs(t *testing.T) {
	m := manageable(t, stateFile(t), func(c *relay.Config) { c.URL = "wss://relay.example.org" })
	const body = `{"method":"supportedmethods","params":[]}`
	conn, err := net.Dial("tcp", m.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(relaytest.Patience))
	fmt.Fprintf(conn, "POST http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Type: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
		nip86.ContentType, authorization(t, boss, "http://evil.example/", body, nil), len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Error(resp.Status)
	}
}

// What an administrator, a moderator or somebody without any right writes is text where it
// is shown: on the pages, in what is answered, and in lists.
func TestNIP98HTMLIsText(t *testing.T) {
	const html = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	m := manageable(t, stateFile(t), overHTTP)
	for method, text := range map[string]string{"changerelayname": "name" + html, "changerelaydescription": "about" + html} {
		m.answers(t, boss, "true", method, text)
	}
	for _, icon := range []string{"javascript:alert(1)", "data:text/html,<script>alert(1)</script>", `https://a.example/"onerror="alert(1)`} {
		if code, _ := m.call(t, boss, "changerelayicon", icon); code != http.StatusOK && code != http.StatusBadRequest {
			t.Errorf("%s: %d", icon, code)
		}
		for _, path := range []string{"/", "/geo"} {
			resp, page := get(t, m.Relay, "GET", path)
			if resp.StatusCode != http.StatusOK || strings.Contains(page, "<script>alert") || strings.Contains(page, "<img src=x") || strings.Contains(page, `"javascript:`) || strings.Contains(page, `"onerror=`) {
				t.Errorf("%s: %s with the icon %s:\n%.3000s", path, resp.Status, icon, page)
			}
			if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src 'unsafe") {
				t.Errorf("%s: scripts may run: %s", path, policy)
			}
			if !strings.Contains(page, "name&#34;&gt;&lt;script&gt;") {
				t.Errorf("%s does not show the name", path)
			}
		}
	}
	c := m.Dial(t)
	note := bob.Note(t, html)
	c.Accepted(t, note)
	c.Accepted(t, alice.Sign(t, event.Event{Kind: event.KindReport, Content: html, Tags: []event.Tag{{"p", bob.Hex(), html}, {"e", note.ID.String(), html}}}))
	relaytest.Eventually(t, "it is listed", func() bool { return m.done(t, warden, "listeventsneedingmoderation") != "[]" })
	m.answers(t, boss, "true", "banpubkey", carol.Hex(), html)
	body := func(method string) string { return `{"method":"` + method + `","params":[]}` }
	for what, c := range map[string]struct {
		body string
		u    string
	}{
		"a list of what is reported": {body("listeventsneedingmoderation"), "http://" + m.Addr},
		"a list of bans":             {body("listbannedpubkeys"), "http://" + m.Addr},
		"a refusal that quotes u":    {body("supportedmethods"), "https://" + html},
		"a method that there is not": {`{"method":"<script>alert(1)</script>","params":[]}`, "http://" + m.Addr},
	} {
		calls++
		header := authorization(t, boss, c.u, c.body, func(e *event.Event) { e.CreatedAt, e.Content = m.Now().Unix(), fmt.Sprint(calls) })
		resp, _ := m.post(t, "/", c.body, "Authorization", header)
		if resp.Header.Get("Content-Type") != nip86.ContentType || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser might take it for a page: %v", what, resp.Header)
		}
	}
}
