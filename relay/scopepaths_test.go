package relay_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

// byPath is a relay that is one for each cell, too.
func byPath(t *testing.T, change func(*relay.Config), more ...map[string]any) *relaytest.Relay {
	t.Helper()
	return relaytest.Start(t, relaytest.Options{
		Chain: chainFrom(t, append(more, map[string]any{"use": "scopes", "paths": true})...), Config: change,
	})
}

// A client that knows nothing of places reads and writes a region by its URL.
func TestAPathIsARelayForACell(t *testing.T) {
	r := byPath(t, nil)
	root, berlin, mitte, paris := r.Dial(t), relaytest.Dial(t, r.URL+"/at/u33"), relaytest.Dial(t, r.URL+"/at/u33db/"), relaytest.Dial(t, r.URL+"/at/u09")
	for _, c := range []*relaytest.Client{root, berlin, mitte, paris} {
		c.Query(t, `{"kinds":[1]}`)
		c.Say(t, `["REQ","live",{"kinds":[0,1,20000]}]`)
		c.Hear(t, wire.EOSE)
	}
	note := func(kind uint16, g ...string) *event.Event {
		e := event.Event{Kind: kind, Content: strings.Join(g, " ")}
		for _, hash := range g {
			e.Tags = append(e.Tags, event.Tag{"g", hash})
		}
		return alice.Sign(t, e)
	}
	deep, wide, there, nowhere, chat := note(1, "u33db1v0"), note(1, "u33d"), note(1, "u09tv"), note(1), note(20000, "u33db1")
	writer := func(path string) *relaytest.Client { return relaytest.Dial(t, r.URL+path) }
	writer("").Accepted(t, there, nowhere, wide)
	writer("/at/u33").Accepted(t, deep)
	writer("/at/u33db").Accepted(t, chat)

	writer("/at/u09").Refused(t, deep, "restricted: only notes within u09 are accepted at this address; post notes from u33db1v0 to /at/u33db1v0 of this relay")
	writer("/at/u33db").Refused(t, note(1, "u33d"), "restricted: only notes within u33db")
	writer("/at/u33").Refused(t, note(1), `restricted: only notes within u33 are accepted at this address; add a "g" tag`)
	profile := alice.Sign(t, event.Event{Kind: 0, Content: "{}"})
	writer("/at/u09").Accepted(t, profile)

	for _, want := range []struct {
		at           *relaytest.Client
		live, stored []*event.Event
	}{
		{root, []*event.Event{there, nowhere, wide, deep, chat}, []*event.Event{there, nowhere, wide, deep}},
		{berlin, []*event.Event{wide, deep, chat}, []*event.Event{wide, deep}},
		{mitte, []*event.Event{deep, chat}, []*event.Event{deep}},
		{paris, []*event.Event{there}, []*event.Event{there}},
	} {
		for _, e := range append(want.live, profile) { // which is seen everywhere, and comes last
			if got := want.at.Event(t, "live"); got.ID != e.ID {
				t.Errorf("%s: heard %q, want %q", want.at.URL, got.Content, e.Content)
			}
		}
		found := map[event.ID]bool{}
		for _, e := range want.at.Query(t, `{"kinds":[1]}`) {
			found[e.ID] = true
		}
		for _, e := range want.stored {
			if !found[e.ID] {
				t.Errorf("%s: %q is not found", want.at.URL, e.Content)
			}
		}
		if n := want.at.Count(t, `{"kinds":[1]}`); len(found) != len(want.stored) || n != len(want.stored) {
			t.Errorf("%s: %d are found and %d counted, want %d", want.at.URL, len(found), n, len(want.stored))
		}
		if n := len(want.at.Query(t, `{"kinds":[0]}`)); n != 1 {
			t.Errorf("%s: %d profiles", want.at.URL, n)
		}
	}
}

func TestPathsThatAreNoRelay(t *testing.T) {
	on, off := byPath(t, nil), start(t, nil)
	observed := relaytest.Start(t, relaytest.Options{Chain: chainFrom(t, map[string]any{"use": "scopes", "paths": true, "mode": "observe"})})
	hosts := relaytest.Start(t, relaytest.Options{Chain: chainFrom(t, map[string]any{"use": "scopes", "paths": true, "domain": "geo.test"})})
	for _, c := range []struct {
		r          *relaytest.Relay
		path, host string
	}{
		{on, "/at/ail", ""},
		{on, "/at/", ""},
		{on, "/at", ""},
		{on, "/at/u33/x", ""},
		{on, "/at/U33", ""},
		{on, "/u33", ""},
		{on, "/at/u33dc1v0xupzb", ""},
		{on, "/geo/at/u33", ""},
		{off, "/at/u33", ""},
		{observed, "/at/u33", ""},
		{hosts, "/at/u33", "u3.geo.test"},
	} {
		client, resp, err := relaytest.TryDial(c.r.URL+c.path, "Host", c.host)
		if err == nil {
			client.Close()
			t.Errorf("%s%s is a relay", c.host, c.path)
		} else if resp == nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s%s: %v", c.host, c.path, err)
		}
	}
	for _, host := range []string{"geo.test", "www.geo.test", "elsewhere.test"} {
		relaytest.Dial(t, hosts.URL+"/at/u33", "Host", host).Close()
	}
}

// An AUTH holds at the address that it names, path included; a request to vanish
// that names any of them empties the one store.
func TestWhatIsSignedForAPath(t *testing.T) {
	r := byPath(t, withoutVanishBounds("wss://geo.test"))
	for n, c := range []signedAt{
		{"geo.test", "/at/u33", "wss://geo.test/at/u33", true, true},
		{"geo.test", "/at/u33/", "wss://geo.test/at/u33/", true, true},
		{"geo.test", "/at/u33", "wss://geo.test/at/u33/", true, true},
		{"geo.test", "/at/u33", "wss://geo.test", false, true},
		{"geo.test", "/at/u33", "wss://geo.test/at/u34", false, true},
		{"geo.test", "/at/u33", "wss://geo.test/at/u3", false, true},
		{"geo.test", "/at/u33", "wss://geo.test/at/ail", false, false},
		{"geo.test", "/at/u33", "wss://other.test/at/u33", false, false},
		{"other.test", "/at/u33", "wss://other.test/at/u33", false, false},
		{"geo.test", "", "wss://geo.test", true, true},
		{"geo.test", "", "wss://geo.test/", true, true},
		{"geo.test", "", "wss://geo.test/at/u33", false, true},
		{"geo.test", "", "wss://geo.test/elsewhere", true, false}, // a proxy may have cut it off
	} {
		c.try(t, r, n)
	}
	unnamed := byPath(t, nil) // goes by what the client has connected to
	c := relaytest.Dial(t, unnamed.URL+"/at/u33")
	c.Authenticate(t, bob, c.Challenge(t))
	c.Accepted(t, vanish(t, alice, 0, unnamed.URL+"/at/u09"))
}

func TestScopesAreAnnounced(t *testing.T) {
	r := byPath(t, func(cfg *relay.Config) {
		overHTTP(cfg)
		cfg.URL, cfg.Info.Name = "wss://geo.test/", "Berlin"
	}, map[string]any{"use": "geo", "prefixes": []any{"u33"}, "area": "Berlin"})
	info := func(path string) (name, description string, geo map[string]any) {
		t.Helper()
		resp, body := get(t, r, "GET", path, "Accept", "application/nostr+json")
		var doc struct {
			Name, Description string
			Geo               map[string]any
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Fatal(resp.Status, err)
		}
		return doc.Name, doc.Description, doc.Geo
	}
	if name, _, geo := info("/"); name != "Berlin" || fmt.Sprint(geo["scopes"]) != "map[path:/at/]" || geo["scope"] != nil {
		t.Errorf("the relay: %s, %v", name, geo)
	}
	name, description, geo := info("/at/u33d")
	if name != "Berlin u33d" || !strings.HasPrefix(description, "Only what is within the geohash u33d. ") || geo["scope"] != "u33d" || geo["regions"] != true {
		t.Errorf("a scope: %s, %s, %v", name, description, geo)
	}
	for path, want := range map[string]string{
		"/":        "<code>wss://geo.test/at/u33</code>",
		"/at/u33d": "<code>wss://geo.test/at/u33d</code>",
		"/geo":     `data-scopes="wss://geo.test/at/"`,
	} {
		if _, body := get(t, r, "GET", path); !strings.Contains(body, want) {
			t.Errorf("%s does not tell of %s", path, want)
		}
	}
	if _, body := get(t, r, "GET", "/at/u33d"); !strings.Contains(body, "Only what is within <code>u33d</code>") {
		t.Error("the page of a scope does not say that it is one")
	}
	off := start(t, overHTTP)
	for path, not := range map[string]string{"/": "/at/", "/geo": `data-scopes="w`} {
		if _, body := get(t, off, "GET", path); strings.Contains(body, not) {
			t.Errorf("%s tells of scopes that are not there", path)
		}
	}
}
