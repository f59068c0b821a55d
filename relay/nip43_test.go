package relay_test

import (
	"testing"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay/relaytest"
)

// NIP-29 and NIP-43: only the relay says who its members and groups are. Here it has
// none, and a request to join, which nothing would answer, is not taken in silence.
func TestNIP43OnlyTheRelaySpeaksOfItself(t *testing.T) {
	chain, faults := builtin.Build(policy.Env{Self: func() event.PubKey { return carol.PubKey }}, nil, nil)
	if faults != nil {
		t.Fatal(faults)
	}
	withKey := relaytest.Start(t, relaytest.Options{Chain: chain})
	for name, r := range map[string]*relaytest.Relay{"without a key": start(t, nil), "with a key": withKey} {
		c := r.Dial(t)
		for _, kind := range []uint16{8000, 8001, 13534, 33534, 39000, 39001, 39002, 39003, 39004, 39005} {
			c.Refused(t, alice.Sign(t, event.Event{Kind: kind, Tags: tags([]string{"d", "group"})}), "restricted: ")
		}
		for _, kind := range []uint16{9021, 9022, 28934, 28935, 28936} {
			c.Refused(t, alice.Sign(t, event.Event{Kind: kind, Tags: tags([]string{"h", "group"})}), "restricted: this relay has no members or groups")
		}
		c.Accepted(t, alice.Sign(t, event.Event{Kind: 9, Tags: tags([]string{"h", "group"})}), alice.Note(t, name))
		if own := c.Send(t, carol.Sign(t, event.Event{Kind: 13534})); own.OK != (r == withKey) {
			t.Errorf("%s: its own list of members: %v %s", name, own.OK, own.Text)
		}
	}
}
