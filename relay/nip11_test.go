package relay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/memstore"
)

// get asks the relay over HTTP; header is name, value, name, value.
func get(t *testing.T, r *relaytest.Relay, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func document(t *testing.T, r *relaytest.Relay) map[string]any {
	t.Helper()
	_, body := get(t, r, "GET", "/", "Accept", "application/nostr+json")
	var doc map[string]any
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return doc
}

func TestNIP11TheDocument(t *testing.T) {
	r := start(t, func(c *relay.Config) {
		c.Info.Name, c.Info.Description = `a "name"`, "<b>&\n\u2028"
		c.Info.PubKey, c.Info.Self = alice.Hex(), bob.Hex()
		c.Info.Software, c.Info.Version, c.Info.PaymentsURL = "https://example.com/moa", "1", "https://example.com/pay"
	})
	for _, accept := range []string{"application/nostr+json", "application/nostr+json, */*;q=0.1", "text/html, Application/Nostr+JSON;q=0.5"} {
		resp, body := get(t, r, "GET", "/", "Accept", accept)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/nostr+json" {
			t.Errorf("NIP11.1, clients 8 %q: %s %s", accept, resp.Status, resp.Header.Get("Content-Type"))
		}
		for _, h := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods"} {
			if resp.Header.Get(h) == "" {
				t.Errorf("NIP11.2: no %s", h)
			}
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(body), &doc); err != nil || doc["name"] != `a "name"` || doc["description"] != "<b>&\n\u2028" || doc["pubkey"] != alice.Hex() {
			t.Errorf("NIP11.3, 9: %v %s", err, body)
		}
	}
	preflight, _ := get(t, r, "OPTIONS", "/", "Origin", "https://example.com", "Access-Control-Request-Method", "GET")
	if preflight.StatusCode != 204 || preflight.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("NIP11.2: %s", preflight.Status)
	}
	head, body := get(t, r, "HEAD", "/", "Accept", "application/nostr+json")
	if head.ContentLength <= 0 || body != "" {
		t.Errorf("HEAD: %d %q", head.ContentLength, body)
	}
	doc := document(t, r)
	want := []any{1.0, 9.0, 11.0, 17.0, 40.0, 42.0, 45.0, 59.0, 62.0, 70.0, 77.0}
	if got := doc["supported_nips"]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("NIP11.8: %v", got)
	}
	for _, gone := range []string{"retention", "payment_url"} {
		if doc[gone] != nil {
			t.Errorf("NIP11.5, 7: %s", gone)
		}
	}
}

// Every field that is configured is there, by the name that the NIP gives it,
// and none that is not.
func TestNIP11TheFieldsHaveTheirNames(t *testing.T) {
	full := relay.Info{
		Name: "n", Description: "d", Banner: "https://example.com/b.png", Icon: "https://example.com/i.png", PubKey: alice.Hex(), Self: bob.Hex(),
		Contact: "mailto:op@example.com", TermsOfService: "https://example.com/terms", PaymentsURL: "https://example.com/pay",
		Software: "https://example.com/moa", Version: "1.2.3",
	}
	doc := document(t, start(t, func(c *relay.Config) { c.Info = full }))
	want := map[string]any{
		"name": full.Name, "description": full.Description, "banner": full.Banner, "icon": full.Icon, "pubkey": full.PubKey, "self": full.Self,
		"contact": full.Contact, "terms_of_service": full.TermsOfService, "payments_url": full.PaymentsURL, "software": full.Software, "version": full.Version,
	}
	for name, value := range want {
		if doc[name] != value {
			t.Errorf("NIP11.3 %s: %v, want %v", name, doc[name], value)
		}
	}
	for _, nip := range doc["supported_nips"].([]any) {
		if n, ok := nip.(float64); !ok || n != float64(int(n)) {
			t.Errorf("NIP11.3: %v is no integer", nip)
		}
	}
	limits := doc["limitation"].(map[string]any)
	for _, name := range []string{"auth_required", "payment_required", "restricted_writes"} {
		if limits[name] != false {
			t.Errorf("NIP11.4 %s: %v", name, limits[name])
		}
	}

	bare := start(t, func(c *relay.Config) { c.Info = relay.Info{Version: "1.2.3"} })
	doc = document(t, bare)
	for name := range want {
		if _, ok := doc[name]; ok && name != "version" {
			t.Errorf("NIP11.8 %s is not configured: %v", name, doc[name])
		}
	}
	if doc["version"] != "moa 1.2.3" { // without a URL it is what names the program
		t.Errorf("NIP11.9 version: %v", doc["version"])
	}
	if _, body := get(t, bare, "GET", "/nodeinfo/2.1"); !strings.Contains(body, `"software":{"name":"moa","version":"1.2.3"}`) {
		t.Errorf("NIP11.10: %s", body)
	}
}

// A note dated years ahead would stand on top of every feed until then.
func TestTheFutureIsRefusedAndAnnouncedByDefault(t *testing.T) {
	r := start(t, nil)
	upper := document(t, r)["limitation"].(map[string]any)["created_at_upper_limit"]
	if upper != 900.0 {
		t.Fatalf("NIP11.4: created_at_upper_limit is %v", upper)
	}
	c := r.Dial(t)
	now := time.Now().Unix()
	c.Accepted(t, alice.Sign(t, event.Event{Kind: 1, CreatedAt: now + 900}))
	c.Refused(t, alice.Sign(t, event.Event{Kind: 1, CreatedAt: now + 960}), "invalid: created_at lies more than 15m in the future")
	c.Refused(t, alice.Sign(t, event.Event{Kind: 0, CreatedAt: 1900000000}), "invalid: ")
}

func TestNIP11EveryNumberIsEnforced(t *testing.T) {
	chain, faults := builtin.Build(policy.Env{}, nil, []map[string]any{
		{"use": "times", "oldest": "1h", "newest": "10m"},
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	r := relaytest.Start(t, relaytest.Options{Chain: chain, Config: func(c *relay.Config) {
		c.Limits.MessageBytes, c.Limits.Subscriptions, c.Limits.Limit, c.Limits.DefaultLimit = 20_000, 3, 6, 4
		c.Limits.EventTags, c.Limits.ContentLength = 5, 100
	}})
	limits := document(t, r)["limitation"].(map[string]any)
	n := func(name string) int {
		v, ok := limits[name].(float64)
		if !ok {
			t.Fatalf("NIP11.4: no %s in %v", name, limits)
		}
		return int(v)
	}
	c := r.Dial(t)

	tagged := func(n int) *event.Event {
		return alice.Note(t, "", slices.Repeat(tags([]string{"t", "x"}), n)...)
	}
	c.Accepted(t, tagged(n("max_event_tags")))
	c.Refused(t, tagged(n("max_event_tags")+1), "invalid: ")

	c.Accepted(t, alice.Note(t, strings.Repeat("漢", n("max_content_length"))))
	c.Refused(t, alice.Note(t, strings.Repeat("漢", n("max_content_length")+1)), "invalid: ")

	at := func(ahead int) *event.Event {
		return alice.Sign(t, event.Event{Kind: 1, CreatedAt: time.Now().Unix() + int64(ahead)})
	}
	const slack = 2 // seconds that may pass meanwhile
	c.Accepted(t, at(-n("created_at_lower_limit")+slack), at(n("created_at_upper_limit")))
	c.Refused(t, at(-n("created_at_lower_limit")-1), "invalid: ")
	c.Refused(t, at(n("created_at_upper_limit")+slack), "invalid: ")

	for i := range 10 {
		c.Accepted(t, bob.Note(t, fmt.Sprint(i)))
	}
	for ask, want := range map[string]int{
		`{}`: n("default_limit"),
		fmt.Sprintf(`{"limit":%d}`, n("max_limit")):   n("max_limit"),
		fmt.Sprintf(`{"limit":%d}`, n("max_limit")+1): n("max_limit"),
	} {
		if got := c.Query(t, ask); len(got) != want {
			t.Errorf("NIP11.4 %s: %d events", ask, len(got))
		}
	}

	c.Stored(t, strings.Repeat("é", n("max_subid_length")), `{"limit":0}`)
	long := strings.Repeat("é", n("max_subid_length")+1)
	c.Closed(t, long, "invalid: ", `["REQ","`+long+`",{}]`)
	for i := range n("max_subscriptions") - 1 {
		c.Stored(t, fmt.Sprint(i), `{"limit":0}`)
	}
	c.Closed(t, "more", "rate-limited: ", `["REQ","more",{}]`)

	message := func(n int) string {
		const head, tail = `["REQ","x",{"limit":0,"#t":["`, `"]}]`
		return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
	}
	d := r.Dial(t)
	d.Say(t, "%s", message(n("max_message_length")))
	if m := d.Next(t); !strings.HasPrefix(m, `["EOSE","x"`) {
		t.Errorf("NIP11.4 max_message_length: %s", m)
	}
	d.Closed(t, "x", "invalid: the message has 20001 bytes", message(n("max_message_length")+1))
	d.TrySay(message(2*n("max_message_length") + 1))
	if err := lastError(d); !strings.Contains(err.Error(), "StatusMessageTooBig") {
		t.Errorf("NIP11.4 a longer message: %v", err)
	}
}

func TestNIP01OnlyOneEndpoint(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	for _, path := range []string{"/foo", "/index.html", "//", "/foo/", "/metrics", "/healthz/", "/%2e%2e/"} {
		if c, resp, err := relaytest.TryDial(r.URL + path); err == nil {
			c.Close()
			t.Errorf("NIP01.40: %s was accepted", path)
		} else if resp == nil || resp.StatusCode != 404 && resp.StatusCode != 200 {
			t.Errorf("NIP01.40 %s: %v", path, err)
		}
	}
	c, _, err := relaytest.TryDial(r.URL + "/?x=y")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestThePageForBrowsers(t *testing.T) {
	r := start(t, func(c *relay.Config) {
		c.Info.Name, c.Info.Description, c.Info.Icon = `<script>alert(1)</script>`, "words & <b>", "javascript:alert(1)"
	})
	resp, body := get(t, r, "GET", "/", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, r.URL) || !strings.Contains(body, "NIP-42") {
		t.Errorf("%s %s", resp.Status, body)
	}
	if strings.Contains(body, "<script") || strings.Contains(body, "javascript:") || !strings.Contains(body, "words &amp; &lt;b&gt;") {
		t.Errorf("not escaped: %s", body)
	}
	if strings.Contains(body, "src=\"http") || strings.Contains(body, "@import") {
		t.Error("the page fetches things")
	}
	if post, _ := get(t, r, "POST", "/"); post.StatusCode != 405 {
		t.Errorf("POST: %s", post.Status)
	}
}

func TestHealthMetricsNodeinfo(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Pprof = true })
	for path, want := range map[string]string{
		"/healthz":              "ok",
		"/metrics":              "moa_connections ",
		"/debug/pprof/":         "goroutine",
		"/.well-known/nodeinfo": `"href":"http://` + r.Addr + `/nodeinfo/2.1"`,
		"/nodeinfo/2.1":         `"protocols":["nostr"]`,
	} {
		if path == "/healthz" {
			relaytest.Eventually(t, "ready", func() bool {
				resp, _ := get(t, r, "GET", "/readyz")
				return resp.StatusCode == 200
			})
		}
		if resp, body := get(t, r, "GET", path); resp.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %s %.200s", path, resp.Status, body)
		}
	}
	apart := start(t, func(c *relay.Config) { c.MetricsListen = "127.0.0.1:0" })
	if resp, _ := get(t, apart, "GET", "/metrics"); resp.StatusCode != 404 {
		t.Errorf("metrics have a listener of their own, and: %s", resp.Status)
	}
	if resp, _ := get(t, apart, "GET", "/debug/pprof/"); resp.StatusCode != 404 {
		t.Errorf("pprof is off, and: %s", resp.Status)
	}
	apart.Addr = apart.Server.MetricsAddr().String()
	if _, body := get(t, apart, "GET", "/metrics"); !strings.Contains(body, "moa_events_total") {
		t.Errorf("/metrics: %.200s", body)
	}
}

// illStore is one that tells how it is.
type illStore struct {
	store.Store
	err      error
	troubles []string
}

func (s *illStore) Ready() error       { return s.err }
func (s *illStore) Troubles() []string { return s.troubles }

// While nothing can be stored /readyz is no 200; damage that is found it names, to
// this machine.
func TestReadyzTellsHowTheStoreIs(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		want   string
	}{
		{nil, 200, "ok\n3 events are damaged\n"},
		{fmt.Errorf("write: %w", store.ErrFull), 503, "the disk is full: no events are stored\n3 events are damaged\n"},
		{errors.New("input/output error"), 503, "events cannot be stored\n3 events are damaged\n"},
	} {
		r := relaytest.Start(t, relaytest.Options{Store: &illStore{Store: memstore.New(), err: c.err, troubles: []string{"3 events are damaged"}}})
		relaytest.Eventually(t, "an answer", func() bool {
			_, body := get(t, r, "GET", "/readyz")
			return body != "not ready\n"
		})
		if resp, body := get(t, r, "GET", "/readyz"); resp.StatusCode != c.status || body != c.want {
			t.Errorf("%v: %s %q", c.err, resp.Status, body)
		}
		if _, body := get(t, r, "GET", "/readyz", "X-Forwarded-For", "192.0.2.1"); strings.Contains(body, "damaged") {
			t.Errorf("a client elsewhere is told %q", body)
		}
	}
}

func TestJSONIsNothingElseForBrowsers(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Geo.HTTP = true })
	for path, accept := range map[string]string{
		"/": "application/nostr+json", "/.well-known/nodeinfo": "", "/nodeinfo/2.1": "", "/geo/cells?prefix=u": "", "/geo/events": "", "/geo/events?bbox=x": "",
	} {
		resp, body := get(t, r, "GET", path, "Accept", accept)
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || !json.Valid([]byte(body)) {
			t.Errorf("%s: %q, %s", path, resp.Header["X-Content-Type-Options"], body)
		}
	}
}
