package policy_test

import (
	"context"
	"testing"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/policytest"
)

// members shows kind 4 only to clients that have authenticated.
type members struct{}

func (members) Event(context.Context, policy.Client, *event.Event) (v policy.Verdict) { return v }

func (m members) Filter(_ context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	return m.MayRead(c, f.Kinds)
}

func (members) MayRead(c policy.Client, kinds []uint16) policy.Verdict {
	if len(c.Authed()) == 0 && len(kinds) == 1 && kinds[0] == 4 {
		return policy.Refuse(reason.AuthRequired, "authenticate")
	}
	return policy.Verdict{}
}

func (members) DeliveryKinds() []uint16 { return []uint16{4} }

func (members) Deliver(c policy.Client, _ *policy.View) bool { return len(c.Authed()) > 0 }

// What is asked on the relay's own account is no refusal, and counts as none.
func TestWhatNobodyAskedForIsNotReported(t *testing.T) {
	reported := 0
	chain := policy.NewChain(func(*policy.Named, policy.Stage, policy.Verdict) { reported++ }, policy.Named{Name: "members", Policy: members{}})
	anybody := &policytest.Client{Number: 1}
	if !chain.Withholds(anybody, nil) || !chain.Withholds(anybody, []uint16{1, 4}) || chain.Withholds(anybody, []uint16{1}) {
		t.Error("what is withheld depends on the kinds alone")
	}
	if chain.Open(anybody, policytest.Event(event.Event{Kind: 4})) || !chain.Open(anybody, kind1) {
		t.Error("kind 4 is a secret, and kind 1 is none")
	}
	if reported > 0 {
		t.Errorf("%d refusals of what nobody asked for", reported)
	}
	if chain.MayRead(anybody, []uint16{4}); reported != 1 {
		t.Errorf("a refusal is reported %d times", reported)
	}
}
