package relay_test

import (
	"context"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
)

func vanish(t *testing.T, k relaytest.Key, at int64, relays ...string) *event.Event {
	var list [][]string
	for _, r := range relays {
		list = append(list, []string{"relay", r})
	}
	return k.Sign(t, event.Event{Kind: 62, CreatedAt: at, Tags: tags(list...)})
}

func TestNIP62RequestsToVanish(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		for _, relays := range [][]string{{"ALL_RELAYS"}, {"wss://other.example.com", r.URL + "/"}} {
			k := relaytest.NewKey(byte(10 + len(relays)))
			c := r.Dial(t)
			old := k.Sign(t, event.Event{Kind: 1, CreatedAt: 1000})
			del := deletion(t, k, 1001, []string{"e", old.ID.String()})
			profile := k.Sign(t, event.Event{Kind: 0, CreatedAt: 1002})
			newer := k.Sign(t, event.Event{Kind: 1, CreatedAt: 2001})
			wrap := carol.Sign(t, event.Event{Kind: 1059, CreatedAt: 1500, Tags: tags([]string{"p", k.Hex()})})
			others := bob.Note(t, k.Hex())
			c.Accepted(t, profile, newer, wrap, others)

			c.Refused(t, vanish(t, k, 2000), "invalid: ")                               // NIP62.2
			c.Refused(t, vanish(t, k, 2000, "wss://other.example.com"), "restricted: ") // NIP62.2
			c.Refused(t, vanish(t, k, 2000, "all_relays"), "restricted: ")
			sameIDs(t, "NIP62.2 nothing is deleted", c.Query(t, `{"kinds":[0,1],"authors":["`+k.Hex()+`"]}`), newer, profile)

			request := vanish(t, k, 2000, relays...)
			c.Accepted(t, request, deletion(t, k, 3000, eTag(request))) // NIP62.4
			sameIDs(t, "NIP62.1, 3", c.Query(t, `{"kinds":[0,1],"authors":["`+k.Hex()+`"]}`), newer)
			sameIDs(t, "others stay", c.Query(t, `{"ids":["`+others.ID.String()+`"]}`), others)
			for _, e := range []*event.Event{old, del, profile, wrap} {
				c.Refused(t, e, "blocked: ") // NIP62.1, 5
			}
			c.Accepted(t, k.Sign(t, event.Event{Kind: 0, CreatedAt: 2002}))
			c.Authenticate(t, k, c.Challenge(t))
			sameIDs(t, "NIP62.1 wraps", c.Query(t, `{"kinds":[1059]}`))
			if n := c.Count(t, `{"authors":["`+k.Hex()+`"],"until":1999}`); n != 0 {
				t.Errorf("NIP62.1: %d are counted", n)
			}
		}
	})
}

// closedShop refuses every event.
type closedShop struct{}

func (closedShop) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Refuse(reason.Blocked, "members only")
}

func TestNIP62NoPolicyMayRefuseIt(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Chain: policy.NewChain(nil, policy.Named{Name: "shop", Policy: closedShop{}})})
	c := r.Dial(t)
	c.Refused(t, alice.Note(t, "n"), "blocked: ")
	c.Accepted(t, vanish(t, alice, 0, "ALL_RELAYS"))
}

// from dials as if from that address, through a proxy on this machine that is
// trusted.
func from(t *testing.T, r *relaytest.Relay, ip string) *relaytest.Client {
	t.Helper()
	return r.Dial(t, "X-Forwarded-For", ip)
}

func behindProxy(c *relay.Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// A client names any host that it likes: it must not make a request that
// was signed for another relay one for this.
func TestNIP62TheHostHeaderDeletesNothing(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		note := alice.Sign(t, event.Event{Kind: 1, CreatedAt: 1000})
		r.Dial(t).Accepted(t, note)
		c := r.Dial(t, "Host", "relay.example.com")
		c.Refused(t, vanish(t, alice, 2000, "wss://relay.example.com"), "restricted: ")
		if ok := c.Send(t, vanish(t, alice, 2000, "wss://relay.example.com")); !strings.Contains(ok.Text, "ALL_RELAYS") {
			t.Errorf("NIP62.2: nobody is told what to do: %q", ok.Text)
		}
		sameIDs(t, "NIP62.2", c.Query(t, `{"kinds":[1]}`), note)
		c.Accepted(t, vanish(t, alice, 2000, "ALL_RELAYS"))
		sameIDs(t, "NIP62.1", c.Query(t, `{"kinds":[1]}`))
	})
	elsewhere := start(t, behindProxy)
	c := elsewhere.Dial(t, "X-Forwarded-For", "203.0.113.1", "Host", "localhost")
	c.Refused(t, vanish(t, alice, 2000, "ws://localhost"), "restricted: ") // a client elsewhere means another localhost

	known := start(t, func(c *relay.Config) { c.URL = "wss://relay.example.com" })
	c = known.Dial(t, "Host", "other.example.com")
	c.Refused(t, vanish(t, alice, 2000, "wss://other.example.com"), "restricted: ")
	c.Accepted(t, vanish(t, alice, 2000, "wss://Relay.example.com:443/"))
}

func TestNIP62ALaterRequestReachesFurther(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		at := func(sec int64, kind uint16) *event.Event {
			return alice.Sign(t, event.Event{Kind: kind, CreatedAt: sec, Tags: tags([]string{"e", strings.Repeat("a", 64)})})
		}
		del := at(1500, 5)
		c.Accepted(t, at(1000, 1), del, at(2500, 1), vanish(t, alice, 2000, "ALL_RELAYS"))
		sameIDs(t, "NIP62.1 its kind 5s too", c.Query(t, `{"kinds":[5]}`))
		c.Refused(t, del, "blocked: ")
		c.Refused(t, vanish(t, alice, 1000, "ALL_RELAYS"), "blocked: ") // older: asks for nothing new
		c.Refused(t, at(2000, 7), "blocked: ")                          // up to its own second
		c.Accepted(t, vanish(t, alice, 3000, "ALL_RELAYS"))
		sameIDs(t, "NIP62.4", c.Query(t, `{"kinds":[1]}`))
		c.Refused(t, at(2500, 1), "blocked: ")
		c.Refused(t, at(3000, 1), "blocked: ")
		c.Accepted(t, at(3001, 1))
	})
}

// Fresh keys cost nothing and no policy is asked: what bounds them is where they
// come from, and the time.
func TestNIP62RequestsAreBounded(t *testing.T) {
	r := start(t, func(c *relay.Config) {
		behindProxy(c)
		c.Limits.VanishesPerIP, c.Limits.Vanishes = 2, 5
	})
	key := byte(0)
	ask := func(c *relaytest.Client) string {
		t.Helper()
		key++
		ok := c.Send(t, vanish(t, relaytest.NewKey(key), 1000, "ALL_RELAYS"))
		if !ok.OK && ok.Reason() != "rate-limited" {
			t.Errorf("OK false %q", ok.Text)
		}
		return string(ok.Reason())
	}
	sent := func(name string, c *relaytest.Client, want ...string) {
		t.Helper()
		for i, w := range want {
			if got := ask(c); got != w {
				t.Errorf("%s, request %d: %q, want %q", name, i+1, got, w)
			}
		}
	}
	const no = "rate-limited"
	sent("one address", from(t, r, "203.0.113.1"), "", "", no, no)
	sent("the same from another connection", from(t, r, "203.0.113.1"), no)
	sent("one /64", from(t, r, "2001:db8::1"), "", "")
	sent("the same /64", from(t, r, "2001:db8::2"), no)
	sent("all together", from(t, r, "2001:db8:0:1::1"), "", no)
	sent("all together", from(t, r, "203.0.113.2"), no)
	sent("this machine, on which a proxy is", r.Dial(t), no)
	c := from(t, r, "203.0.113.2")
	forged, other := vanish(t, relaytest.NewKey(200), 1000, "ALL_RELAYS"), vanish(t, relaytest.NewKey(200), 1001, "ALL_RELAYS")
	forged.Raw = []byte(strings.Replace(string(forged.Raw), signature(forged), signature(other), 1))
	c.Refused(t, forged, "invalid: ") // and takes nothing from the others
	r.Advance(13 * time.Minute)       // a fifth of an hour brings one back for all
	sent("after a while", c, "", no)
	for outcome, want := range map[string]float64{"taken": 6, "limit_per_ip": 4, "limit": 4} {
		if n := r.Metric(t, "moa_vanishes_total", "outcome", outcome); n != want {
			t.Errorf("%s: %v are counted, want %v", outcome, n, want)
		}
	}

	free := start(t, func(c *relay.Config) {
		behindProxy(c)
		c.Limits.VanishesPerIP, c.Limits.Vanishes = 0, 0
	})
	c = from(t, free, "203.0.113.1")
	for range 50 {
		if got := ask(c); got != "" {
			t.Fatalf("without bounds: %q", got)
		}
	}
}

func signature(e *event.Event) string { return hex.EncodeToString(e.Sig[:]) }

// A request to vanish stays, so it is small.
func TestNIP62RequestsAreHeldToTheLimits(t *testing.T) {
	chain, faults := builtin.Build(policy.Env{}, nil, []map[string]any{{"use": "limits", "tags": int64(3)}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	r := relaytest.Start(t, relaytest.Options{Chain: chain})
	c := r.Dial(t)
	ask := func(key byte, relays int, why string) *event.Event {
		list := append(slices.Repeat(tags([]string{"relay", "wss://other.example.com"}), relays-1), event.Tag{"relay", "ALL_RELAYS"})
		return relaytest.NewKey(key).Sign(t, event.Event{Kind: 62, Content: why, Tags: list})
	}
	c.Accepted(t, ask(1, 3, ""))
	c.Refused(t, ask(2, 4, ""), "invalid: ")
	c.Accepted(t, ask(3, 1, strings.Repeat("x", 15<<10)))
	c.Refused(t, ask(4, 1, strings.Repeat("x", 16<<10)), "invalid: ")
}
