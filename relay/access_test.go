package relay_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/policy"
	"moa/policy/builtin"
	"moa/policy/policytest"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/memstore"
)

// found are the ways in which c finds a stored event. HTTP is asked by no one in
// particular.
func found(t *testing.T, r *relaytest.Relay, c *relaytest.Client, e *event.Event) string {
	t.Helper()
	filter := fmt.Sprintf(`{"authors":["%s"],"since":%d,"until":%[2]d}`, e.PubKey, e.CreatedAt)
	var seen []string
	note := func(way string, events int) {
		if events > 0 {
			seen = append(seen, way)
		}
	}
	note("REQ", len(c.Query(t, filter)))
	note("id", len(c.Query(t, `{"ids":["`+e.ID.String()+`"]}`)))
	note("COUNT", c.Count(t, filter))
	note("NEG", len(syncWith(t, c, filter, nil, 0).need))
	near, _ := places(t, r, "near=52.52,13.4&km=30")
	note("HTTP", len(slices.DeleteFunc(near, func(got *event.Event) bool { return got.ID != e.ID })))
	return strings.Join(seen, " ")
}

// placed is the n-th event with a place.
func placed(t *testing.T, k relaytest.Key, kind uint16, n int) *event.Event {
	t.Helper()
	return k.Sign(t, event.Event{Kind: kind, CreatedAt: int64(1_700_000_000 + n), Content: "here", Tags: []event.Tag{{"d", fmt.Sprint(n)}, {"g", "u33dc1"}}})
}

// Which clients may read is one question, in whatever way it is asked.
func TestReadersAreTheSameForEveryWayToRead(t *testing.T) {
	stored := memstore.New()
	env := policy.Env{Stored: func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
		_, err := stored.Scan(store.Query{Filters: []*event.Filter{f}}).Next(ctx, store.Page{}, func(r *store.Record) error {
			e, err := r.Event()
			if err != nil {
				return err
			}
			return found(e)
		})
		return err
	}}
	author, member, friend, unauthenticated := relaytest.NewKey(31), relaytest.NewKey(32), relaytest.NewKey(33), relaytest.NewKey(34)
	chain, faults := builtin.Build(env, nil, []map[string]any{{
		"use": "readers", "kinds": "30023", "pubkeys": []any{member.Hex()}, "follows_of": []any{member.Hex()},
	}})
	if faults != nil {
		t.Fatal(faults)
	}
	r := relaytest.Start(t, relaytest.Options{Chain: chain, Store: stored, Config: overHTTP})
	writer := r.Dial(t)
	writer.Accepted(t, member.Sign(t, event.Event{Kind: 3, Tags: []event.Tag{{"p", friend.Hex()}}}))
	as := func(k *relaytest.Key) *relaytest.Client {
		c := r.Dial(t)
		if k != nil {
			c.Authenticate(t, *k, c.Challenge(t))
		}
		return c
	}
	first := placed(t, author, 30023, 0)
	writer.Accepted(t, first)
	relaytest.Eventually(t, "the member's follow list is read", func() bool { return found(t, r, as(&friend), first) != "" })
	for n, c := range []struct {
		who        string
		key        *relaytest.Key
		kind       uint16
		live, want string
	}{
		{"an unauthenticated client, an article", nil, 30023, "", ""},
		{"somebody else, an article", &unauthenticated, 30023, "", ""},
		{"a member, an article", &member, 30023, "live", "REQ id COUNT NEG"},
		{"whom the member follows, an article", &friend, 30023, "live", "REQ id COUNT NEG"},
		{"an unauthenticated client, a note", nil, 1, "live", "REQ id COUNT NEG HTTP"},
	} {
		client, e := as(c.key), placed(t, author, c.kind, 1+n)
		client.Ask(t, "live", `{"limit":0}`)
		writer.Accepted(t, e)
		live := ""
		if slices.ContainsFunc(client.UpToNow(t), func(m string) bool { return strings.Contains(m, e.ID.String()) }) {
			live = "live"
		}
		client.Say(t, `["CLOSE","live"]`)
		if got := found(t, r, client, e); live != c.live || got != c.want {
			t.Errorf("%s: %q %q, want %q %q", c.who, live, got, c.live, c.want)
		}
	}
	// A client that asks for nothing else is told.
	nobody := as(nil)
	nobody.Say(t, `["REQ","q",{"kinds":[30023]}]`)
	nobody.Hear(t, wire.Auth)
	if r := nobody.Hear(t, wire.Closed); !strings.HasPrefix(r.Text, "auth-required: ") {
		t.Errorf("an unauthenticated client that asks for articles is told %q", r.Text)
	}
	as(&unauthenticated).Closed(t, "n", "restricted: ", `["COUNT","n",{"kinds":[30023]}]`)
}

// What an operator hides is hidden from everybody, in every way, and comes back
// when that is undone.
func TestWhatIsHiddenIsHiddenInEveryWay(t *testing.T) {
	author, other := relaytest.NewKey(31), relaytest.NewKey(32)
	var decided policytest.Decided
	chain, faults := builtin.Build(policy.Env{Decided: &decided}, nil, nil)
	if faults != nil {
		t.Fatal(faults)
	}
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		cfg := relaytest.Config()
		overHTTP(&cfg)
		if err := r.Server.Reload(cfg, chain); err != nil {
			t.Fatal(err)
		}
		const everywhere = "REQ id COUNT NEG HTTP"
		c := r.Dial(t)
		one, two, others := placed(t, author, 1, 1), placed(t, author, 1, 2), placed(t, other, 1, 3)
		c.Accepted(t, one, two, others)
		holds := func(when, ofOne, ofTwo string) {
			t.Helper()
			if a, b, c := found(t, r, c, one), found(t, r, c, two), found(t, r, c, others); a != ofOne || b != ofTwo || c != everywhere {
				t.Errorf("%s: %q, %q and %q are found, want %q, %q and all", when, a, b, c, ofOne, ofTwo)
			}
		}
		holds("at first", everywhere, everywhere)
		decided.Rule(one.ID, policy.HiddenEvent)
		holds("one is hidden", "", everywhere)
		decided.Hide(author.PubKey)
		holds("the author is", "", "")
		decided.Decide(author.PubKey, policy.AuthorDecision{})
		decided.Rule(one.ID, policy.Undecided)
		holds("undone", everywhere, everywhere)
	})
}
