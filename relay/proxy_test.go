package relay_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store/memstore"
)

// A proxy on this machine that is not named in trusted_proxies brings all
// clients from 127.0.0.1. Only as long as nothing tells of one are clients from
// there this machine's own, which have no bounds of one address.
func TestAProxyOnThisMachineIsNotThisMachine(t *testing.T) {
	for _, c := range []struct {
		name    string
		url     string
		header  []string
		bound   bool
		trusted string
	}{
		{name: "a trusted proxy whose client is not known", trusted: "127.0.0.1/32", header: []string{"X-Forwarded-For", "203.0.113.7, unknown"}, bound: true},
		{name: "a trusted proxy elsewhere", trusted: "10.0.0.0/8", bound: true},
		{name: "nothing tells of a proxy"},
		{name: "X-Forwarded-For", header: []string{"X-Forwarded-For", "203.0.113.7"}, bound: true},
		{name: "X-Forwarded-Proto", header: []string{"X-Forwarded-Proto", "https"}, bound: true},
		{name: "Forwarded", header: []string{"Forwarded", "for=203.0.113.7"}, bound: true},
		{name: "X-Real-IP", header: []string{"X-Real-IP", "203.0.113.7"}, bound: true},
		{name: "url is set", url: "wss://relay.example", bound: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := memstore.New()
			r := relaytest.Start(t, relaytest.Options{
				Store: st,
				Chain: buildOn(t, st, []map[string]any{{"use": "rate", "count": int64(2), "interval": "1h"}}),
				Config: func(cfg *relay.Config) {
					if c.trusted != "" {
						cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(c.trusted)}
					}
					cfg.URL, cfg.Limits.ConnectionsPerIP, cfg.Limits.VanishesPerIP = c.url, 3, 1
				},
			})
			client := r.Dial(t, c.header...)
			refused := func(e *event.Event) bool {
				ok := client.Send(t, e)
				if !ok.OK && !strings.HasPrefix(ok.Text, "rate-limited: ") {
					t.Fatal(ok.Text)
				}
				return !ok.OK
			}
			for n := range 3 {
				if got := refused(alice.Note(t, fmt.Sprint(n))); got != (c.bound && n == 2) {
					t.Errorf("note %d is refused: %v", n, got)
				}
			}
			for n := range 2 {
				e := relaytest.NewKey(byte(60+n)).Sign(t, event.Event{Kind: event.KindVanish, Tags: tags([]string{"relay", "ALL_RELAYS"})})
				if got := refused(e); got != (c.bound && n == 1) {
					t.Errorf("request to vanish %d is refused: %v", n, got)
				}
			}
			// No other client from there is believed to be this machine either.
			for n := range 3 {
				other, resp, err := relaytest.TryDial(r.URL)
				if err == nil {
					t.Cleanup(other.Close)
				}
				if got := err != nil; got != (c.bound && n == 2) || got && resp.StatusCode != http.StatusTooManyRequests {
					t.Errorf("connection %d is refused: %v", n+2, got)
				}
			}
		})
	}
}
