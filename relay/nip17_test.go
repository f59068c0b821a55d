package relay_test

import (
	"fmt"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay/relaytest"
)

func TestNIP17MessagesAreForThePeopleInvolved(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		w := r.Dial(t)
		wrap := carol.Sign(t, event.Event{Kind: 1059, CreatedAt: 3, Tags: tags([]string{"p", bob.Hex()}, []string{"p", alice.Hex()})})
		dm := bob.Sign(t, event.Event{Kind: 4, CreatedAt: 2, Tags: tags([]string{"p", alice.Hex()})})
		note := bob.Sign(t, event.Event{Kind: 1, CreatedAt: 1})
		w.Accepted(t, wrap, dm, note)

		unauthenticated := r.Dial(t)
		for i, f := range []string{`{"kinds":[1059]}`, `{"kinds":[4,1059],"limit":0}`, `{"kinds":[1059],"#p":["` + bob.Hex() + `"]}`} {
			unauthenticated.Say(t, `["REQ","x%d",{"kinds":[1]},%s]`, i, f)
			if i == 0 {
				unauthenticated.Hear(t, wire.Auth)
			}
			if m := unauthenticated.Hear(t, wire.Closed); m.Reason() != "auth-required" {
				t.Errorf("NIP17.1 REQ %s: %s", f, m.Text)
			}
		}
		unauthenticated.Closed(t, "n", "auth-required: ", `["COUNT","n",{"kinds":[1059]}]`) // NIP17.3
		sameIDs(t, "NIP17.1 without kinds", unauthenticated.Query(t, `{}`), note)
		sameIDs(t, "NIP17.1 by id", unauthenticated.Query(t, `{"ids":["`+wrap.ID.String()+`"]}`))
		sameIDs(t, "NIP17.1 with others", unauthenticated.Query(t, `{"kinds":[1,4,1059]}`), note)
		sameIDs(t, "NIP17.1 by p", unauthenticated.Query(t, `{"#p":["`+bob.Hex()+`"]}`))
		if n := unauthenticated.Count(t, `{}`); n != 1 {
			t.Errorf("NIP17.3: counted %d", n)
		}

		for _, who := range []struct {
			name string
			key  relaytest.Key
			want []*event.Event
		}{
			{"the first p", bob, []*event.Event{wrap, dm, note}},
			{"NIP17.2 the second p", alice, []*event.Event{wrap, dm, note}},
			{"the author, of no meaning", carol, []*event.Event{wrap, note}},
			{"somebody else", relaytest.NewKey(9), []*event.Event{note}},
		} {
			c := r.Dial(t)
			c.Authenticate(t, who.key, c.Challenge(t))
			sameIDs(t, who.name, c.Query(t, `{}`), who.want...)
			sameIDs(t, who.name+", limit 1", c.Query(t, `{"limit":1}`), who.want[0])
			if n := c.Count(t, `{}`); n != len(who.want) {
				t.Errorf("%s: counted %d", who.name, n)
			}
			if got := c.Query(t, `{"kinds":[1059,4]}`); len(got) != len(who.want)-1 {
				t.Errorf("%s: %s", who.name, list(got))
			}
		}
	})
}

func TestNIP17LiveMessages(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	unauthenticated, recipient, w := r.Dial(t), r.Dial(t), r.Dial(t)
	recipient.Authenticate(t, alice, recipient.Challenge(t))
	unauthenticated.Stored(t, "all", `{}`)
	recipient.Stored(t, "all", `{}`)
	for i, kind := range []uint16{4, 13, 14, 15, 1059, 1060, 21059} {
		e := carol.Sign(t, event.Event{Kind: kind, Content: fmt.Sprint(i), Tags: tags([]string{"p", bob.Hex()}, []string{"p", alice.Hex()})})
		w.Accepted(t, e)
		sameIDs(t, fmt.Sprint("NIP17.1 live kind ", kind), []*event.Event{recipient.Event(t, "all")}, e)
	}
	unauthenticated.Quiet(t)
	sameIDs(t, "NIP17.6 21059 is not stored", recipient.Query(t, `{"kinds":[21059]}`))
	inbox := alice.Sign(t, event.Event{Kind: 10050, Tags: tags([]string{"relay", r.URL})})
	w.Accepted(t, inbox)
	sameIDs(t, "NIP17.7 kind 10050 is public", []*event.Event{unauthenticated.Event(t, "all")}, inbox)
	old := carol.Sign(t, event.Event{Kind: 1059, CreatedAt: 1_600_000_000, Tags: tags([]string{"p", alice.Hex()})})
	w.Accepted(t, old) // NIP17.5
}

// NIP17.7: a wrap's time to go is its recipient's to rely on.
func TestNIP17WrapsExpire(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		c.Authenticate(t, bob, c.Challenge(t))
		wrap := carol.Sign(t, event.Event{Kind: 1059, Tags: tags([]string{"p", bob.Hex()}, []string{"expiration", fmt.Sprint(r.Now().Unix() + 100)})})
		c.Accepted(t, wrap)
		sameIDs(t, "NIP17.7", c.Query(t, `{"kinds":[1059]}`), wrap)
		r.Advance(101 * time.Second)
		sameIDs(t, "NIP17.7 expired", c.Query(t, `{"kinds":[1059]}`))
		if n := c.Count(t, `{"kinds":[1059]}`); n != 0 {
			t.Errorf("NIP17.7: %d are counted", n)
		}
	})
}
