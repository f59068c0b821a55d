package builtin

import (
	"net/netip"
	"testing"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/policytest"
)

// What operators decide is enforced by every chain, in words, and for as long as it holds.
func TestWhatIsDecidedIsEnforced(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var decided policytest.Decided
	chain := chainOf(t, policy.Env{Decided: &decided, Now: func() time.Time { return now }}, "")
	at := func(kind uint16) *event.Event {
		return policytest.Event(event.Event{Kind: kind, PubKey: alice, CreatedAt: now.Unix()})
	}
	one := at(1)
	late := func(e *event.Event) string {
		return text(chain.Late(t.Context(), nobody, e, policy.Decision{}).Verdict)
	}
	again := func(e *event.Event) string { return text(chain.Again(t.Context(), nobody, e).Verdict) }
	for _, c := range []struct {
		name    string
		author  policy.AuthorDecision
		event   policy.EventDecision
		refused string // "": it is not
		hidden  bool
	}{
		{name: "nothing"},
		{name: "banned", author: policy.AuthorDecision{Until: policy.Forever}, refused: "blocked: the operator of this relay has banned the author"},
		{name: "until", author: policy.AuthorDecision{Until: now.Unix() + 60, Hidden: true}, refused: "blocked: the operator of this relay has banned the author until 2023-11-14 22:14 UTC", hidden: true},
		{name: "over", author: policy.AuthorDecision{Until: now.Unix(), Hidden: true}},
		{name: "erasing", author: policy.AuthorDecision{Erasing: true}, refused: "blocked: the operator of this relay is removing what the author has written, try again later", hidden: true},
		{name: "closed", author: policy.AuthorDecision{Closed: now.Unix()}},
		{name: "hidden", event: policy.HiddenEvent, refused: "blocked: the operator of this relay has hidden this event", hidden: true},
		{name: "removed", event: policy.RemovedEvent, refused: "blocked: the operator of this relay has removed this event", hidden: true},
	} {
		before := chain.Generation()
		decided.Decide(alice, c.author)
		decided.Rule(one.ID, c.event)
		if chain.Generation() == before {
			t.Errorf("%s: it is not known that anything is decided", c.name)
		}
		for _, got := range []string{late(one), again(one)} {
			if got != c.refused {
				t.Errorf("%s: %q, want %q", c.name, got, c.refused)
			}
		}
		if got := late(at(5)); got != "" {
			t.Errorf("%s: a deletion is refused: %q", c.name, got)
		}
		if chain.Hidden(one.ID, alice) != c.hidden || chain.Hides() != c.hidden || chain.Deliver(nobody, one) == c.hidden {
			t.Errorf("%s: hidden %v, anything %v", c.name, chain.Hidden(one.ID, alice), chain.Hides())
		}
	}
	decided.Rule(one.ID, policy.Undecided)
	decided.SetKind(5, false)
	expect(t, "a kind that is not allowed", late(at(5)), "blocked: the operator of this relay takes no events of kind 5")

	decided.Block(netip.MustParsePrefix("192.0.2.0/24"))
	for addr, blocked := range map[string]bool{"192.0.2.7": true, "192.0.3.7": false, "": false} {
		c := &policytest.Client{Addr: addr}
		if got := chain.MayStay(c).Action == policy.Reject; got != blocked {
			t.Errorf("%q may not stay: %v", addr, got)
		}
		if got := chain.Connect(t.Context(), c, nil).Action == policy.Reject; got != blocked {
			t.Errorf("%q may not connect: %v", addr, got)
		}
	}
}

// A chain without operators has no policy moderation unless it is configured, and one that
// is only observed refuses nothing.
func TestModerationThatDoesNotBite(t *testing.T) {
	for _, n := range chainOf(t, policy.Env{}, "").Links() {
		if n.Name == "moderation" {
			t.Error("it is there")
		}
	}
	var decided policytest.Decided
	decided.Hide(alice)
	decided.Block(netip.MustParsePrefix("192.0.2.0/24"))
	chain := chainOf(t, policy.Env{Decided: &decided}, "[[policy]]\nuse = \"moderation\"\nmode = \"observe\"")
	e := policytest.Event(note(alice))
	if d := chain.Again(t.Context(), nobody, e); d.Action != policy.Accept {
		t.Error(d)
	}
	if d := chain.MayStay(&policytest.Client{Addr: "192.0.2.1"}); d.Action != policy.Accept || chain.Hides() {
		t.Error(d)
	}
}
