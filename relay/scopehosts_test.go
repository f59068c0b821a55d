package relay_test

import (
	"strings"
	"testing"

	"moa/nips/event"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store/memstore"
)

// With scopes, the relay knows its hosts: clients that sign the one they are at
// are right, and what was signed for another relay cannot be played here,
// whatever the Host header says.
func TestScopesAreTheRelaysOwnHosts(t *testing.T) {
	st := memstore.New()
	chain := buildOn(t, st, []map[string]any{{"use": "scopes", "domain": "geo.test"}})
	r := relaytest.Start(t, relaytest.Options{Store: st, Chain: chain, Config: func(c *relay.Config) { c.URL = "wss://geo.test" }})
	for n, c := range []struct {
		at, signed string
		ok         bool
	}{
		{"u33.geo.test", "wss://u33.geo.test", true},
		{"U33.geo.test", "wss://u33.geo.test/", true},
		{"u33.geo.test", "wss://geo.test", true},
		{"relay.geo.test", "wss://relay.geo.test", true},
		{"geo.test", "wss://geo.test", true},
		{"geo.test", "wss://u33.geo.test", false},
		{"u33.geo.test", "wss://u34.geo.test", false},
		{"u33.geo.test", "wss://other.test", false},
		{"other.test", "wss://other.test", false},
		{"notgeo.test", "wss://notgeo.test", false},
	} {
		client := r.Dial(t, "Host", c.at)
		e := bob.Auth(t, c.signed, client.Challenge(t))
		client.Say(t, `["AUTH",`+string(e.Raw)+`]`)
		if ok := client.HearOK(t, e.ID.String()); ok.OK != c.ok {
			t.Errorf("AUTH for %s at %s: %v %s", c.signed, c.at, ok.OK, ok.Text)
		}
		vanish := relaytest.NewKey(byte(50+n)).Sign(t, event.Event{Kind: event.KindVanish, Content: c.at, Tags: tags([]string{"relay", c.signed})})
		if ok := client.Send(t, vanish); ok.OK != c.ok || !ok.OK && !strings.HasPrefix(ok.Text, "restricted: ") {
			t.Errorf("a request to vanish from %s at %s: %v %s", c.signed, c.at, ok.OK, ok.Text)
		}
		client.Close()
	}
}
