package khatru_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fiatjaf/khatru"
	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip11"

	"moa/nips/wire"
	"moa/relay/relaytest"
)

// A panic of what khatru serves over HTTP is reported like one of any other hook, and
// costs the request, or what it was to change.
func TestAPanicOverHTTPIsReported(t *testing.T) {
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.Info.Name = "by khatru"
		rl.OverwriteRelayInformation = append(rl.OverwriteRelayInformation, func(_ context.Context, r *http.Request, doc nip11.RelayInformationDocument) nip11.RelayInformationDocument {
			if r.Header.Get("X-Panic") != "" {
				panic("info")
			}
			return doc
		})
		rl.Router().HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("handler") })
	})
	panics := func() float64 { return r.Metric(t, "moa_policy_panics_total", "policy", "khatru") }
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // which asks nothing again
	document := func(header string) string {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Addr, nil)
		req.Header.Set("Accept", "application/nostr+json")
		req.Header.Set(header, "1")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %v", resp.Status, err)
		}
		return string(body)
	}
	for n := range 2 {
		if doc := document("X-Panic"); strings.Contains(doc, "by khatru") || panics() != float64(2*n+1) {
			t.Errorf("%v panics, %s", panics(), doc)
		}
		if resp, err := client.Get("http://" + r.Addr + "/panic"); err == nil {
			resp.Body.Close()
			t.Errorf("%s", resp.Status)
		}
		if panics() != float64(2*n+2) {
			t.Errorf("%v panics", panics())
		}
	}
	if doc := document("X-Calm"); !strings.Contains(doc, "by khatru") || panics() != 4 {
		t.Errorf("%v panics, %s", panics(), doc)
	}
}

// A hook that panics costs the answer it was asked for: khatru's own relay ends.
func TestAHookThatPanicsCostsOneAnswer(t *testing.T) {
	says := func(e *nostr.Event, where string) {
		if strings.Contains(e.Content, where) {
			panic(where)
		}
	}
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.RejectEvent = append(rl.RejectEvent, func(_ context.Context, e *nostr.Event) (bool, string) { says(e, "reject"); return false, "" })
		rl.RejectFilter = append(rl.RejectFilter, func(_ context.Context, f nostr.Filter) (bool, string) {
			if f.Limit == 66 {
				panic("filter")
			}
			return false, ""
		})
		rl.OverwriteFilter = append(rl.OverwriteFilter, func(_ context.Context, f *nostr.Filter) {
			if f.Limit == 67 {
				panic("overwrite")
			}
		})
		rl.OnEventSaved = append(rl.OnEventSaved, func(_ context.Context, e *nostr.Event) { says(e, "saved") })
		rl.PreventBroadcast = append(rl.PreventBroadcast, func(_ *khatru.WebSocket, e *nostr.Event) bool { says(e, "broadcast"); return false })
		rl.RejectConnection = append(rl.RejectConnection, func(r *http.Request) bool {
			if r.Header.Get("X-Panic") != "" {
				panic("connection")
			}
			return false
		})
	})
	panics := func() float64 { return r.Metric(t, "moa_policy_panics_total", "policy", "khatru") }
	c := r.Dial(t)
	c.Stored(t, "live", `{"kinds":[1],"limit":0}`)
	c.Publish(t, alice.Note(t, "reject"))
	if ok := c.Hear(t, wire.OK); ok.OK || !strings.HasPrefix(ok.Text, "error: ") {
		t.Errorf("%+v", ok)
	}
	for n, limit := range []string{"66", "67"} {
		c.Say(t, `["REQ","bad",{"limit":`+limit+`}]`)
		if m := c.Hear(t, wire.Closed); !strings.HasPrefix(m.Text, "error: ") || panics() != float64(n+2) {
			t.Errorf("%+v, %v panics", m, panics())
		}
	}
	c.Accepted(t, alice.Note(t, "broadcast")) // and nobody hears of it
	seen := alice.Note(t, "saved")
	c.Accepted(t, seen)
	if got := c.Event(t, "live"); got.ID != seen.ID {
		t.Errorf("%q was passed on", got.Content)
	}
	relaytest.Eventually(t, "the hook of the saved event has panicked", func() bool { return panics() == 5 })
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Addr, nil)
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "X-Panic": "1"} {
		req.Header.Set(k, v)
	}
	resp, err := new(http.Transport).RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	after := alice.Note(t, "after all of it")
	c.Accepted(t, after)
	if got := c.Event(t, "live"); got.ID != after.ID || panics() != 6 {
		t.Errorf("%q, %v panics", got.Content, panics())
	}
}
