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
	r := relaytest.Start(t, relaytest.Options{Store: st, Chain: chain, Config: withoutVanishBounds("wss://geo.test")})
	for n, c := range []signedAt{
		{"u33.geo.test", "", "wss://u33.geo.test", true, true},
		{"U33.geo.test", "", "wss://u33.geo.test/", true, true},
		{"u33.geo.test", "", "wss://geo.test", false, true},
		{"relay.geo.test", "", "wss://relay.geo.test", true, true},
		{"geo.test", "", "wss://geo.test", true, true},
		{"geo.test", "", "wss://u33.geo.test", false, true},
		{"u33.geo.test", "", "wss://u34.geo.test", false, true},
		{"u33.geo.test", "", "wss://u34.geo.test:7447", false, false},
		{"u33.geo.test", "", "wss://u34.geo.test/at/u33", false, false},
		{"u33.geo.test", "", "wss://other.test", false, false},
		{"other.test", "", "wss://other.test", false, false},
		{"other.test", "", "wss://geo.test", true, true},
		{"notgeo.test", "", "wss://notgeo.test", false, false},
	} {
		c.try(t, r, n)
	}
}

// withoutVanishBounds is a relay at a URL that takes as many requests to vanish as
// come.
func withoutVanishBounds(url string) func(*relay.Config) {
	return func(c *relay.Config) { c.URL, c.Limits.VanishesPerIP, c.Limits.Vanishes = url, 0, 0 }
}

// signedAt is a client at an address that has signed another, for AUTH and in a
// request to vanish.
type signedAt struct {
	host, path, signed string
	authed, vanished   bool
}

func (c *signedAt) try(t *testing.T, r *relaytest.Relay, n int) {
	t.Helper()
	author := relaytest.NewKey(byte(50 + n))
	client := relaytest.Dial(t, r.URL+c.path, "Host", c.host)
	defer client.Close()
	e := bob.Auth(t, c.signed, client.Challenge(t))
	client.Say(t, `["AUTH",`+string(e.Raw)+`]`)
	if ok := client.HearOK(t, e.ID.String()); ok.OK != c.authed {
		t.Errorf("AUTH for %s at %s%s: %v %s", c.signed, c.host, c.path, ok.OK, ok.Text)
	}
	note := author.Sign(t, event.Event{Kind: 1, Content: c.host + c.path + c.signed, Tags: tags([]string{"g", "u33"})})
	other := r.Dial(t)
	defer other.Close()
	other.Accepted(t, note)
	vanish := author.Sign(t, event.Event{Kind: event.KindVanish, CreatedAt: note.CreatedAt, Tags: tags([]string{"relay", c.signed})})
	if ok := client.Send(t, vanish); ok.OK != c.vanished || !ok.OK && !strings.HasPrefix(ok.Text, "restricted: ") {
		t.Errorf("a request to vanish from %s at %s%s: %v %s", c.signed, c.host, c.path, ok.OK, ok.Text)
	}
	if n := other.Count(t, `{"kinds":[1],"authors":["`+author.Hex()+`"]}`); (n == 0) != c.vanished {
		t.Errorf("after the request to vanish from %s at %s%s there are %d notes", c.signed, c.host, c.path, n)
	}
}
