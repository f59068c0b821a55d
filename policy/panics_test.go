package policy_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/policytest"
)

// mine is a policy and a group that does what it is asked until it is armed for a
// method.
type mine struct {
	armed *string
	told  *[]string
}

func (m mine) step(where string) {
	*m.told = append(*m.told, where)
	if *m.armed == where {
		panic("in " + where)
	}
}

func (m mine) Event(context.Context, policy.Client, *event.Event) (v policy.Verdict) {
	m.step("event")
	return v
}

func (m mine) Filter(context.Context, policy.Client, *event.Filter) (v policy.Verdict) {
	m.step("filter")
	return v
}

func (m mine) MayRead(policy.Client, []uint16) (v policy.Verdict) {
	m.step("right")
	return v
}

func (m mine) Version() uint64 {
	m.step("version")
	return 0
}

func (m mine) Count(context.Context, policy.Client, *event.Filter) (v policy.Verdict) {
	m.step("count")
	return v
}

func (m mine) Rewrite(_ context.Context, _ policy.Client, f *event.Filter) *event.Filter {
	m.step("rewrite")
	return f
}

func (m mine) DeliveryKinds() []uint16 { return nil }

func (m mine) Deliver(policy.Client, *policy.View) bool {
	m.step("deliver")
	return true
}

func (m mine) Live(policy.Client, *event.Event) bool {
	m.step("live")
	return true
}

func (m mine) Connect(context.Context, policy.Client, *http.Request) (v policy.Verdict) {
	m.step("connect")
	return v
}
func (m mine) Disconnect(policy.Client)           { m.step("disconnect") }
func (m mine) Authenticated(policy.Client)        { m.step("authenticated") }
func (m mine) Saved(policy.Client, *event.Event)  { m.step("saved") }
func (m mine) Hidden(event.ID, event.PubKey) bool { m.step("hidden"); return false }
func (m mine) Hides() bool                        { m.step("hides"); return false }
func (m mine) Has(event.PubKey) bool              { m.step("group"); return true }

// A panic costs the answer, and nothing else: it refuses, or hides, is told with
// its stack once, and the policies behind it are asked as before.
func TestAPanicCostsOneAnswer(t *testing.T) {
	f, client := &event.Filter{}, &policytest.Client{Number: 1, Keys: []event.PubKey{policytest.Key(1)}}
	refused := func(d policy.Decision) bool {
		return d.Action == policy.Reject && d.Reason == reason.Error && d.By == "mine"
	}
	for where, panics := range map[string]func(c *policy.Chain) (right bool){
		"event":         func(c *policy.Chain) bool { return refused(c.Early(ctx, client, kind1)) },
		"filter":        func(c *policy.Chain) bool { return refused(c.Filter(ctx, client, f)) },
		"count":         func(c *policy.Chain) bool { return refused(c.Count(ctx, client, f)) },
		"right":         func(c *policy.Chain) bool { return refused(c.MayRead(client, nil)) },
		"version":       func(c *policy.Chain) bool { return c.Version() == 0 },
		"rewrite":       func(c *policy.Chain) bool { _, d := c.Rewrite(ctx, client, f); return refused(d) },
		"deliver":       func(c *policy.Chain) bool { return !c.Deliver(client, kind1) },
		"live":          func(c *policy.Chain) bool { return !c.Live(client, kind1) },
		"connect":       func(c *policy.Chain) bool { return refused(c.Connect(ctx, client, nil)) },
		"disconnect":    func(c *policy.Chain) bool { c.Disconnect(client); return true },
		"authenticated": func(c *policy.Chain) bool { c.Authenticated(client); return true },
		"saved":         func(c *policy.Chain) bool { c.Saved(client, kind1); return true },
		"hidden":        func(c *policy.Chain) bool { return c.Hidden(kind1.ID, kind1.PubKey) && !c.Deliver(client, kind1) },
		"hides":         func(c *policy.Chain) bool { return c.Hides() },
		"group":         func(c *policy.Chain) bool { return c.Early(ctx, client, kind1).Action == policy.Accept },
	} {
		var armed string
		var told, behind []string
		var panicked []string
		stacks := 0
		unarmed := ""
		chain := policy.NewChain(nil,
			policy.Named{Name: "mine", Policy: mine{&armed, &told}, Only: mine{&armed, &told}},
			policy.Named{Name: "behind", Policy: mine{&unarmed, &behind}})
		chain.OnPanic(func(n *policy.Named, value any, stack []byte) {
			panicked = append(panicked, n.Name+" "+value.(string))
			if strings.Contains(string(stack), "mine.step") {
				stacks++
			}
		})
		for range 3 {
			armed = where
			if !panics(chain) {
				t.Errorf("%s: a panic is not refused", where)
			}
			armed = ""
			if (where == "event" || where == "filter") && panics(chain) {
				t.Errorf("%s: refused without a panic", where)
			}
		}
		if len(panicked) < 3 || panicked[0] != "mine in "+where || stacks != 1 {
			t.Errorf("%s: %q, %d stacks", where, panicked, stacks)
		}
		if observes := where == "disconnect" || where == "authenticated" || where == "saved"; observes && len(behind) != 3 {
			t.Errorf("%s: the policy behind was told %q", where, behind)
		}
	}
}

// An observed policy refuses nothing, whatever becomes of it.
func TestAPanicOfAnObservedPolicyRefusesNothing(t *testing.T) {
	armed, told := "", []string(nil)
	chain := policy.NewChain(nil, policy.Named{Name: "mine", Mode: policy.Observe, Policy: mine{&armed, &told}})
	for _, armed = range []string{"event", "filter", "deliver", "connect", "live", "count"} {
		if chain.Early(ctx, client, kind1).Action != policy.Accept || chain.Filter(ctx, client, &event.Filter{}).Action != policy.Accept ||
			!chain.Deliver(client, kind1) || chain.Connect(ctx, client, nil).Action != policy.Accept || !chain.Live(client, kind1) {
			t.Errorf("a panic in %s refuses", armed)
		}
	}
}

func TestExplainSurvivesPanics(t *testing.T) {
	armed, told := "event", []string(nil)
	chain := policy.NewChain(nil, policy.Named{Name: "mine", Policy: mine{&armed, &told}})
	if _, so := chain.Explain(ctx, client, kind1); so.Reason != reason.Error {
		t.Errorf("%+v", so)
	}
}

func TestAskingAboutNothingSpecialAllocatesNothing(t *testing.T) {
	armed, told := "", make([]string, 0, 100)
	chain := policy.NewChain(nil, policy.Named{Name: "mine", Policy: mine{&armed, &told}})
	f := &event.Filter{}
	if n := testing.AllocsPerRun(100, func() {
		told = told[:0]
		chain.Early(ctx, client, kind1)
		chain.Filter(ctx, client, f)
		chain.Deliver(client, kind1)
		chain.Live(client, kind1)
		chain.Saved(client, kind1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// rightOnly has no say in deliveries.
type rightOnly struct{ mine }

func (rightOnly) DeliveryKinds() []uint16 { return []uint16{} }

func TestAPanicDoesNotTellWhatIsStored(t *testing.T) {
	armed, told := "", []string(nil)
	chain := policy.NewChain(nil, policy.Named{Name: "mine", Policy: rightOnly{mine{&armed, &told}}})
	if !chain.Open(client, kind1) {
		t.Fatal("nobody may know of a note")
	}
	armed = "right"
	if chain.Open(client, kind1) {
		t.Error("shown, though it is not known which clients may read it")
	}
}
