package relay_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr/nip45/hyperloglog"

	"moa/nips/event"
	"moa/nips/nip45"
	"moa/nips/wire"
	"moa/relay"
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
		if m := c.Next(t); m != `["COUNT","n",{"count":17,"approximate":true}]` { // messages aside
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

// A client takes CLOSED for the end of the REQ that it has open by that id: so
// it is the end of it here too (NIP01.36). Counted or not, other REQs go on.
func TestNIP45ARefusedCountEndsTheREQOfItsID(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Filters = 2 })
	c, w := r.Dial(t), r.Dial(t)
	c.Challenge(t)
	c.Stored(t, "other", `{"kinds":[1]}`)
	for name, refused := range map[string]string{
		"malformed":        `["COUNT","x",{"ids":["x"]}]`,
		"over a limit":     `["COUNT","x",{},{},{}]`,
		"of others' wraps": `["COUNT","x",{"kinds":[1059]}]`,
		"no filter":        `["COUNT","x"]`,
	} {
		c.Stored(t, "x", `{"kinds":[1]}`)
		c.Closed(t, "x", "", refused)
		e := alice.Note(t, name)
		w.Accepted(t, e)
		sameIDs(t, "NIP45.2 "+name, []*event.Event{c.Event(t, "other")}, e)
		c.Quiet(t)
		relaytest.Eventually(t, "one REQ is open", func() bool { return r.Metric(t, "moa_subscriptions") == 1 })
	}
	// A COUNT that is answered leaves the REQ of its id alone (NIP45.5).
	c.Stored(t, "count", `{"kinds":[7]}`)
	if n := c.Count(t, `{"kinds":[1]}`); n != 4 {
		t.Errorf("counted %d", n)
	}
	like := alice.Sign(t, event.Event{Kind: 7})
	w.Accepted(t, like)
	sameIDs(t, "NIP45.5", []*event.Event{c.Event(t, "count")}, like)
}

// The answers of two relays that have some of the followers each merge to those
// of all. What is not seen is not counted: others' messages, what is deleted.
func TestNIP45HyperLogLog(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		other := relaytest.Start(t, relaytest.Options{})
		a, b := r.Dial(t), other.Dial(t)
		filter := `{"#p":["` + alice.Hex() + `"],"kinds":[3]}`
		all := nip45.New([]*event.Filter{{Kinds: []uint16{3}, Tags: []event.TagFilter{{Name: 'p', Values: []string{alice.Hex()}}}}})
		for i := range 30 {
			k := relaytest.NewKey(byte(10 + i))
			follows := k.Sign(t, event.Event{Kind: 3, CreatedAt: 1000, Tags: tags([]string{"p", bob.Hex()}, []string{"p", alice.Hex()})})
			if i < 20 {
				a.Accepted(t, follows)
			}
			if i >= 10 {
				b.Accepted(t, follows)
			}
			if i == 9 { // has thought better of it
				a.Accepted(t, k.Sign(t, event.Event{Kind: 3, CreatedAt: 1001, Tags: tags([]string{"p", bob.Hex()})}))
				continue
			}
			all.Add(&k.PubKey)
		}
		ask := func(c *relaytest.Client, filters string) wire.Reply {
			c.Say(t, `["COUNT","n",%s]`, filters)
			return c.Hear(t, wire.Count)
		}
		merged := hyperloglog.New(0)
		for _, c := range []struct {
			*relaytest.Client
			want int64
		}{{a, 19}, {b, 20}} {
			m := ask(c.Client, filter)
			registers, err := hex.DecodeString(m.HLL)
			if err != nil || m.Count != c.want || m.Approximate {
				t.Fatalf("NIP45.4: %+v, %v", m, err)
			}
			merged.MergeRegisters(registers)
		}
		if got := hex.EncodeToString(merged.GetRegisters()); got != all.Hex() {
			t.Errorf("NIP45.4:\n%s, want\n%s", got, all.Hex())
		}
		if n := merged.Count(); n < 26 || n > 32 {
			t.Errorf("NIP45.4: 29 are estimated to be %d", n)
		}
		for _, without := range []string{`{}`, filter + `,{}`, `{"kinds":[3]}`, `{"#p":["` + alice.Hex() + `"],"kinds":[3],"since":5}`} {
			if m := ask(a, without); m.HLL != "" {
				t.Errorf("NIP45.4: %s has registers", without)
			}
		}
		off := start(t, func(c *relay.Config) { c.CountSketches = false })
		if m := ask(off.Dial(t), filter); m.HLL != "" {
			t.Error("turned off, and there are registers")
		}
		a.Accepted(t, carol.Sign(t, event.Event{Kind: 4, Tags: tags([]string{"p", alice.Hex()})}))
		if m := ask(a, `{"#p":["`+alice.Hex()+`"],"kinds":[3,4]}`); m.HLL == "" || m.Count != 19 || m.HLL != ask(a, filter).HLL {
			t.Errorf("NIP45.3: what nobody may see is counted: %+v", m)
		}
	})
}
