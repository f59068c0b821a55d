package policy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/policytest"
)

// refuses refuses events, and filters for, a kind.
type refuses uint16

func (k refuses) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if e.Kind == uint16(k) {
		return policy.Refuse(reason.Blocked, "no")
	}
	return policy.Verdict{}
}

func (k refuses) Filter(_ context.Context, _ policy.Client, f *event.Filter) policy.Verdict {
	if len(f.Kinds) > 0 && f.Kinds[0] == uint16(k) {
		return policy.Refuse(reason.Blocked, "no")
	}
	return policy.Verdict{}
}

type lateRefuses struct{ refuses }

func (lateRefuses) AfterSignature() {}

type one event.PubKey

func (o one) Has(pk event.PubKey) bool { return pk == event.PubKey(o) }

func TestAcceptsAreWhatIsNeitherRefusedNorPassedBy(t *testing.T) {
	alice, bob := policytest.Key(1), policytest.Key(2)
	chain := policy.NewChain(nil,
		policy.Named{Name: "late", Policy: lateRefuses{4}},
		policy.Named{Name: "observed", Policy: refuses(1), Mode: policy.Observe},
		policy.Named{Name: "bob", Policy: refuses(2), Only: one(bob)},
		policy.Named{Name: "last", Policy: refuses(3)},
	)
	ctx := context.Background()
	for kind, times := range map[uint16]int{1: 10, 2: 20, 3: 40, 4: 80, 5: 160} {
		for range times {
			for _, pk := range []event.PubKey{alice, bob} {
				e := policytest.Event(event.Event{Kind: kind, PubKey: pk})
				d := chain.Early(ctx, &policytest.Client{}, e)
				if d.Action == policy.Accept {
					chain.Late(ctx, &policytest.Client{}, e, d)
				}
				chain.Filter(ctx, &policytest.Client{Keys: []event.PubKey{pk}}, &event.Filter{Kinds: []uint16{kind}})
			}
		}
	}
	got := func(at policy.Stage) string {
		var b strings.Builder
		for n, times := range chain.Accepted(at) {
			fmt.Fprintf(&b, "%s %d ", n.Name, times)
		}
		return b.String()
	}
	// 310 of each author. Observed: all but the twenty of kind 1. Bob's policy
	// refuses twenty of those; last sees the rest, and the late one what is left.
	if want := "observed 600 bob 290 last 520 late 360 "; got(policy.AtEvent) != want {
		t.Errorf("events: %q, want %q", got(policy.AtEvent), want)
	}
	// Of filters nobody is late, so that policy comes first.
	if want := "late 460 observed 440 bob 210 last 360 "; got(policy.AtFilter) != want {
		t.Errorf("filters: %q, want %q", got(policy.AtFilter), want)
	}
}
