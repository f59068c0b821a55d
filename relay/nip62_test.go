package relay_test

import (
	"context"
	"testing"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
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
