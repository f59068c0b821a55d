package relay_test

import (
	"strings"
	"testing"

	"moa/nips/event"
	"moa/relay/relaytest"
)

func TestNIP45Count(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		series(t, c, alice, 12)
		series(t, c, bob, 5)
		for _, q := range []struct {
			name    string
			filters []string
			want    int
		}{
			{"NIP45.1 all", []string{`{}`}, 17},
			{"NIP45.1 an event counts once", []string{`{"kinds":[1]}`, `{"authors":["` + bob.Hex() + `"]}`}, 17},
			{"NIP45.1 OR", []string{`{"authors":["` + alice.Hex() + `"],"#t":["0"]}`, `{"authors":["` + bob.Hex() + `"]}`}, 11},
			{"NIP45.2 limit is ignored", []string{`{"limit":3}`}, 17},
			{"NIP45.2 limit 0 is ignored", []string{`{"limit":0}`}, 17},
			{"nothing", []string{`{"ids":[]}`}, 0},
		} {
			if n := c.Count(t, q.filters...); n != q.want {
				t.Errorf("%s: %d, want %d", q.name, n, q.want)
			}
		}
		c.Say(t, `["COUNT","n",{}]`)
		if m := c.Next(t); m != `["COUNT","n",{"count":17}]` {
			t.Errorf("NIP45.1: %s", m)
		}
		// NIP45.5: it opens no subscription.
		r.Dial(t).Accepted(t, carol.Note(t, "n"))
		c.Quiet(t)
		c.Closed(t, "n", "invalid: ", `["COUNT","n",{"ids":["x"]}]`)                // NIP45.2
		c.Closed(t, "n", "invalid: ", `["COUNT","n"`+strings.Repeat(`,{}`, 33)+`]`) // the limit of a REQ
		e := carol.Sign(t, event.Event{Kind: 7})                                    // what was sent before
		c.Publish(t, e)                                                             // is counted
		c.Say(t, `["COUNT","n",{"kinds":[7]}]`)
		c.HearOK(t, e.ID.String())
		if m := c.Next(t); m != `["COUNT","n",{"count":1}]` {
			t.Errorf("%s", m)
		}
	})
}
