package policy_test

import (
	"context"
	"fmt"
	"strings"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/policytest"
)

// NoShouting refuses notes in capitals: a whole policy.
type NoShouting struct{}

func (NoShouting) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if e.Kind == event.KindNote && len(e.Content) > 20 && e.Content == strings.ToUpper(e.Content) {
		return policy.Refuse(reason.Blocked, "please do not shout")
	}
	return policy.Verdict{}
}

func Example() {
	chain := policy.NewChain(nil, policy.Named{Name: "no-shouting", Policy: NoShouting{}})
	e := policytest.Event(event.Event{Kind: event.KindNote, Content: "BUY MY THINGS, THEY ARE GREAT"})
	d := chain.Early(context.Background(), &policytest.Client{}, e)
	fmt.Printf("%s: %s (%s)\n", d.Reason, d.Text, d.By)
	// Output: blocked: please do not shout (no-shouting)
}
