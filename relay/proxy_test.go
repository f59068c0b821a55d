package relay_test

import (
	"fmt"
	"net/http"
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
		name   string
		url    string
		header []string
		bound  bool
	}{
		{"nothing tells of a proxy", "", nil, false},
		{"X-Forwarded-For", "", []string{"X-Forwarded-For", "203.0.113.7"}, true},
		{"X-Forwarded-Proto", "", []string{"X-Forwarded-Proto", "https"}, true},
		{"Forwarded", "", []string{"Forwarded", "for=203.0.113.7"}, true},
		{"X-Real-IP", "", []string{"X-Real-IP", "203.0.113.7"}, true},
		{"url is set", "wss://relay.example", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := memstore.New()
			r := relaytest.Start(t, relaytest.Options{
				Store: st,
				Chain: buildOn(t, st, []map[string]any{{"use": "rate", "count": int64(2), "interval": "1h"}}),
				Config: func(cfg *relay.Config) {
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
