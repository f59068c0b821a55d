package relay_test

import (
	"net/netip"
	"testing"
	"time"

	"moa/nips/event"
	"moa/relay"
	"moa/relay/relaytest"
)

// heardOut reads until the connection has ended.
func heardOut(t *testing.T, c *relaytest.Client) {
	t.Helper()
	for end := time.Now().Add(relaytest.Patience); time.Now().Before(end); {
		if _, err := c.TryNext(relaytest.Patience); err != nil {
			return
		}
	}
	t.Fatal("the connection goes on")
}

// An operator sees every open connection, and ends one, or some, and no other.
func TestConnectionsAreSeenAndEnded(t *testing.T) {
	r := start(t, func(c *relay.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.AuthOnConnect = true
	})
	if list := r.Server.Connections(); list == nil || len(list) != 0 {
		t.Errorf("%v", list)
	}
	begun := r.Now().Unix()
	one, other, third := dialAs(t, r, "203.0.113.7"), dialAs(t, r, "2001:db8::1"), dialAs(t, r, "203.0.113.7")
	challenge := one.Challenge(t)
	one.Authenticate(t, alice, challenge)
	one.Authenticate(t, bob, challenge)
	one.Stored(t, "a", `{"kinds":[1]}`)
	one.Stored(t, "b", `{"kinds":[7]}`)
	one.Say(t, `["CLOSE","a"]`)
	third.Accepted(t, alice.Note(t, "hello")) // and hears it: all of one is done before
	var list []relay.Connection
	relaytest.Eventually(t, "the REQ is closed, and what was said is sent", func() bool {
		list = r.Server.Connections()
		return len(list) == 3 && list[0].Subscriptions == 1 && list[0].Queued == 0 && list[2].Sent > 0
	})
	for i, want := range []struct {
		address string
		keys    []event.PubKey
	}{{"203.0.113.7", []event.PubKey{alice.PubKey, bob.PubKey}}, {"2001:db8::1", nil}, {"203.0.113.7", nil}} {
		c := list[i]
		if c.Address.String() != want.address || c.Local || c.Path != "" || c.Since.Unix() < begun || c.Since.Unix() > r.Now().Unix() || len(c.Keys) != len(want.keys) || c.Keys == nil {
			t.Errorf("connection %d: %+v", i, c)
		}
		for j, pk := range want.keys {
			if c.Keys[j] != pk {
				t.Errorf("connection %d is %v", i, c.Keys)
			}
		}
	}
	if list[0].ID >= list[1].ID || list[1].ID >= list[2].ID {
		t.Errorf("the ids are %d, %d, %d", list[0].ID, list[1].ID, list[2].ID)
	}
	if n := r.Server.Disconnect([]uint64{list[2].ID + 100}); n != 0 {
		t.Errorf("%d were ended that are not there", n)
	}
	if n := r.Server.Disconnect([]uint64{list[0].ID}); n != 1 {
		t.Errorf("%d were ended", n)
	}
	heardOut(t, one)
	relaytest.Eventually(t, "it is not listed any more", func() bool { return len(r.Server.Connections()) == 2 })
	third.Accepted(t, alice.Note(t, "still here"))
	other.Accepted(t, bob.Note(t, "and here"))
	if n := r.Metric(t, "moa_connections_dropped_total", "reason", "operator"); n != 1 {
		t.Errorf("%v connections were ended for it", n)
	}
}
