package relay_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay/relaytest"
)

// asked is a policy that counts how often it is asked about deliveries, and
// about what.
type asked struct{ deliveries, lives atomic.Int64 }

func (*asked) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}
func (*asked) DeliveryKinds() []uint16 { return []uint16{1059} }

func (p *asked) Deliver(_ policy.Client, _ *policy.View) bool {
	p.deliveries.Add(1)
	return true
}

func (p *asked) Live(_ policy.Client, e *event.Event) bool {
	if e.Kind == 1059 {
		p.lives.Add(1)
	}
	return true
}

// However many subscriptions of a connection an event is for, and whatever keys it
// has proved, policies are asked once: all of it is done by the
// goroutine that delivers everybody's events.
func TestALiveEventIsDecidedOnceForAConnection(t *testing.T) {
	p := new(asked)
	links := append(builtin.Defaults(policy.Env{}), policy.Named{Name: "asked", Policy: p})
	r := relaytest.Start(t, relaytest.Options{Chain: policy.NewChain(nil, links...)})
	const subs, identities = 60, 20
	writer := r.Dial(t)
	wrap := event.Event{Kind: 1059, Tags: tags([]string{"p", bob.Hex()})}
	for i := range 500 {
		wrap.Tags = append(wrap.Tags, event.Tag{"p", fmt.Sprintf("%064x", i)})
	}
	other, reader := r.Dial(t), r.Dial(t)
	challenge := other.Challenge(t)
	for i := range identities {
		other.Authenticate(t, relaytest.NewKey(byte(100+i)), challenge)
	}
	reader.Authenticate(t, bob, reader.Challenge(t))
	for i := range subs {
		for _, c := range []*relaytest.Client{other, reader} {
			c.Stored(t, fmt.Sprint(i), `{"kinds":[1059],"limit":0}`)
		}
	}
	for n := range 3 {
		wrap.CreatedAt = int64(1_700_000_000 + n)
		writer.Accepted(t, carol.Sign(t, wrap))
		if got := len(reader.UpToNow(t)); got != subs {
			t.Errorf("the reader hears %d, want %d", got, subs)
		}
		other.Quiet(t)
		// The other client is refused by the policy before.
		if d, l := p.deliveries.Load(), p.lives.Load(); d != int64(n+1) || l != int64(n+1) {
			t.Fatalf("event %d: %d and %d answers were asked for, want one of each for an event", n, d, l)
		}
	}
	// A client that proves another key meanwhile hears what comes from now on.
	other.Authenticate(t, bob, challenge)
	wrap.CreatedAt++
	writer.Accepted(t, carol.Sign(t, wrap))
	if got := len(other.UpToNow(t)); got != subs {
		t.Errorf("authenticated as a recipient, the client hears %d, want %d", got, subs)
	}
}
