package relay_test

import (
	"fmt"
	"testing"
	"time"

	"moa/nips/event"
	"moa/relay/relaytest"
)

func expiring(t *testing.T, k relaytest.Key, kind uint16, at int64) *event.Event {
	return k.Sign(t, event.Event{Kind: kind, Tags: tags([]string{"expiration", fmt.Sprint(at)}, []string{"expiration", "1"})})
}

func TestNIP40Expiration(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c, live := r.Dial(t), r.Dial(t)
		live.Stored(t, "all", `{}`)
		now := time.Now().Unix()
		c.Refused(t, expiring(t, alice, 1, now-1), "invalid: event expired") // NIP40.1
		live.Quiet(t)
		for _, tag := range []event.Tag{{"expiration", "soon"}, {"expiration", "-5"}, {"expiration"}} {
			e := alice.Sign(t, event.Event{Kind: 7, Tags: []event.Tag{tag}, CreatedAt: 5})
			c.Accepted(t, e) // NIP40.2
			if got := live.Event(t, "all"); got.Expiration != 0 {
				t.Errorf("NIP40.2 %q: %d", tag, got.Expiration)
			}
		}

		soon, late := expiring(t, alice, 1, now+100), expiring(t, bob, 1, now+10_000)
		old := carol.Sign(t, event.Event{Kind: 0, CreatedAt: 5})
		profile := expiring(t, carol, 0, now+100)
		c.Accepted(t, soon, late, old, profile)
		if n := c.Count(t, `{"kinds":[1]}`); n != 2 {
			t.Errorf("counted %d", n)
		}
		r.Advance(200 * time.Second)
		sameIDs(t, "NIP40.1 not served", c.Query(t, `{"kinds":[1]}`), late)
		if n := c.Count(t, `{"kinds":[1]}`); n != 1 {
			t.Errorf("NIP40.1: counted %d", n)
		}
		sameIDs(t, "NIP40.3", c.Query(t, `{"kinds":[0]}`))
		c.Refused(t, soon, "invalid: event expired")
	})
}
