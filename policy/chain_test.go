package policy_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/testwait"
	"moa/policy"
	"moa/policy/policytest"
)

func TestMain(m *testing.M) { testwait.VerifyTestMain(m) }

// link is a policy that says v everywhere and writes down that it was asked.
type link struct {
	name  string
	v     policy.Verdict
	kinds []uint16
	asked *[]string
}

func (l link) note(what string) policy.Verdict {
	*l.asked = append(*l.asked, l.name+" "+what)
	return l.v
}

func (l link) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return l.note("event")
}

func (l link) Filter(context.Context, policy.Client, *event.Filter) policy.Verdict {
	return l.note("filter")
}
func (l link) DeliveryKinds() []uint16 { return l.kinds }
func (l link) Deliver(policy.Client, *policy.View) bool {
	return l.note("deliver").Action == policy.Accept
}

func (l link) Connect(context.Context, policy.Client, *http.Request) policy.Verdict {
	return l.note("connect")
}
func (l link) Disconnect(policy.Client) { l.note("disconnect") }

type late struct{ link }

func (late) AfterSignature() {}

var (
	ctx      = context.Background()
	client   = &policytest.Client{Number: 1}
	kind1    = policytest.Event(event.Event{Kind: 1})
	no       = policy.Refuse(reason.Blocked, "no")
	shadow   = policy.Verdict{Action: policy.Shadow}
	passOn   = policy.Verdict{Action: policy.RelayOnly}
	everyone []uint16
)

func TestFirstThatDoesNotAcceptDecides(t *testing.T) {
	var asked, reported []string
	mk := func(name string, v policy.Verdict) policy.Policy { return link{name, v, nil, &asked} }
	report := func(n *policy.Named, at policy.Stage, v policy.Verdict) {
		reported = append(reported, n.Name+" "+at.String())
	}
	for _, c := range []struct {
		name, asked, reported, by string
		links                     []policy.Named
		want                      policy.Action
	}{
		{name: "none", want: policy.Accept},
		{
			name: "second", asked: "a event,b event", reported: "b event", by: "b", want: policy.Reject,
			links: []policy.Named{{Name: "a", Policy: mk("a", policy.Verdict{})}, {Name: "b", Policy: mk("b", no)}, {Name: "c", Policy: mk("c", no)}},
		},
		{
			name: "observed", asked: "a event,b event", reported: "a event", want: policy.Accept,
			links: []policy.Named{{Name: "a", Mode: policy.Observe, Policy: mk("a", no)}, {Name: "b", Policy: mk("b", policy.Verdict{})}},
		},
		{
			name: "relay only does not save from a later refusal", asked: "a event,b event", reported: "a event,b event", by: "b", want: policy.Shadow,
			links: []policy.Named{{Name: "a", Policy: mk("a", passOn)}, {Name: "b", Policy: mk("b", shadow)}},
		},
		{
			name: "relay only stays past an accept", asked: "a event,b event", reported: "a event", by: "a", want: policy.RelayOnly,
			links: []policy.Named{{Name: "a", Policy: mk("a", passOn)}, {Name: "b", Policy: mk("b", policy.Verdict{})}},
		},
		{
			name: "late after early", asked: "b event,a event", reported: "b event,a event", by: "a", want: policy.Reject,
			links: []policy.Named{{Name: "a", Policy: late{link{"a", no, nil, &asked}}}, {Name: "b", Policy: mk("b", passOn)}},
		},
	} {
		asked, reported = nil, nil
		chain := policy.NewChain(report, c.links...)
		d := chain.Early(ctx, client, kind1)
		if d.Action == policy.Accept || d.Action == policy.RelayOnly {
			d = chain.Late(ctx, client, kind1, d)
		}
		if d.Action != c.want || d.By != c.by || strings.Join(asked, ",") != c.asked || strings.Join(reported, ",") != c.reported {
			t.Errorf("%s: %+v; asked %q, reported %q", c.name, d, asked, reported)
		}
	}
}

func TestDeliverAsksOnlyAboutTheKindsWanted(t *testing.T) {
	var asked []string
	chain := policy.NewChain(nil,
		policy.Named{Name: "none", Policy: link{"none", no, []uint16{}, &asked}},
		policy.Named{Name: "wraps", Policy: link{"wraps", no, []uint16{4, 1059}, &asked}},
		policy.Named{Name: "observed", Mode: policy.Observe, Policy: link{"observed", no, []uint16{7}, &asked}},
	)
	for kind, want := range map[uint16]bool{0: true, 1: true, 4: false, 1059: false, 1060: true, 7: true, 65535: true} {
		if got := chain.Deliver(client, policytest.Event(event.Event{Kind: kind})); got != want {
			t.Errorf("kind %d: %v", kind, got)
		}
	}
	slices.Sort(asked)
	if got := strings.Join(asked, ","); got != "observed deliver,wraps deliver,wraps deliver" {
		t.Error(got)
	}
	all := policy.NewChain(nil, policy.Named{Policy: link{"all", no, everyone, &asked}})
	if !all.Restricts(0) || !all.Restricts(65535) || all.Deliver(client, kind1) {
		t.Error("nil kinds are not all")
	}
}

func TestEveryAcceptedConnectHasOneDisconnect(t *testing.T) {
	var asked []string
	links := []policy.Named{
		{Name: "a", Policy: link{"a", policy.Verdict{}, []uint16{}, &asked}},
		{Name: "b", Mode: policy.Observe, Policy: link{"b", no, []uint16{}, &asked}},
		{Name: "c", Policy: link{"c", policy.Verdict{}, []uint16{}, &asked}},
	}
	chain := policy.NewChain(nil, links...)
	if d := chain.Connect(ctx, client, nil); d.Action != policy.Accept {
		t.Errorf("%+v", d)
	}
	chain.Disconnect(client)
	want := "a connect,b connect,c connect,c disconnect,a disconnect"
	if got := strings.Join(asked, ","); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	asked = nil
	chain = policy.NewChain(nil, append(links, policy.Named{Name: "d", Policy: link{"d", no, []uint16{}, &asked}})...)
	if d := chain.Connect(ctx, client, nil); d.By != "d" {
		t.Errorf("%+v", d)
	}
	want = "a connect,b connect,c connect,d connect,c disconnect,a disconnect"
	if got := strings.Join(asked, ","); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

type runner struct {
	policy.Policy
	running *atomic.Int32
	err     error
}

func (r runner) Run(ctx context.Context) error {
	r.running.Add(1)
	defer r.running.Add(-1)
	if r.err == nil {
		<-ctx.Done()
	}
	return r.err
}

func TestRunWaitsForAllAndNamesWhoFailed(t *testing.T) {
	var running atomic.Int32
	broken := errors.New("broken")
	chain := policy.NewChain(nil,
		policy.Named{Name: "a", Policy: runner{running: &running}},
		policy.Named{Name: "b", Policy: runner{running: &running, err: broken}},
		policy.Named{Name: "c", Policy: link{}},
	)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- chain.Run(ctx) }()
	select {
	case err := <-done:
		t.Fatalf("Run returned early: %v", err)
	default:
	}
	for running.Load() == 0 {
		select {
		case err := <-done:
			t.Fatal(err)
		default:
		}
	}
	cancel()
	if err := <-done; running.Load() != 0 || err != nil && (!errors.Is(err, broken) || !strings.Contains(err.Error(), "policy b: ")) {
		t.Errorf("%v, %d still running", err, running.Load())
	}
}

func TestNilChainAcceptsEverything(t *testing.T) {
	var chain *policy.Chain
	f := &event.Filter{}
	if chain.Early(ctx, client, kind1).Action != policy.Accept || chain.Filter(ctx, client, f).Action != policy.Accept ||
		chain.Count(ctx, client, f).Action != policy.Accept || chain.Connect(ctx, client, nil).Action != policy.Accept ||
		!chain.Deliver(client, kind1) || !chain.Live(client, kind1) || chain.RestrictsAny() || chain.WatchesLive() ||
		chain.Run(ctx) != nil {
		t.Error("it does not")
	}
	if to, d := chain.Rewrite(ctx, client, f); to != f || d.Action != policy.Accept {
		t.Error("it changes a filter")
	}
	chain.Saved(client, kind1)
	chain.Authenticated(client)
	chain.Disconnect(client)
}

type announces struct {
	policy.Policy
	limits policy.Limits
}

func (a announces) Limits() policy.Limits { return a.limits }

func TestLimitsAreTheStrictest(t *testing.T) {
	chain := policy.NewChain(nil,
		policy.Named{Policy: announces{limits: policy.Limits{EventTags: 10, MinPoW: 8}}},
		policy.Named{Policy: announces{limits: policy.Limits{EventTags: 5, ContentLength: 7, MinPoW: 9, RestrictedWrites: true}}},
		policy.Named{Mode: policy.Observe, Policy: announces{limits: policy.Limits{EventTags: 1, AuthRequired: true}}},
	)
	if got, want := chain.Limits(), (policy.Limits{EventTags: 5, ContentLength: 7, MinPoW: 9, RestrictedWrites: true}); got != want {
		t.Errorf("%+v", got)
	}
}

type group []event.PubKey

func (g group) Has(pk event.PubKey) bool { return slices.Contains(g, pk) }

func TestPoliciesAreForSomePeople(t *testing.T) {
	var asked []string
	alice, bob := policytest.Key(1), policytest.Key(2)
	mk := func(name string) policy.Policy { return link{name, no, nil, &asked} }
	chain := policy.NewChain(nil,
		policy.Named{Name: "only", Policy: mk("only"), Only: group{alice}},
		policy.Named{Name: "unless", Policy: mk("unless"), Unless: group{alice, bob}},
		policy.Named{Name: "both", Policy: mk("both"), Only: group{bob}, Unless: group{alice}},
	)
	as := func(keys ...event.PubKey) *policytest.Client { return &policytest.Client{Keys: keys} }
	by := func(pk event.PubKey) *event.Event { return policytest.Event(event.Event{Kind: 1, PubKey: pk}) }
	for _, c := range []struct {
		name   string
		client *policytest.Client
		author event.PubKey
		want   string
	}{
		{"alice writes", as(), alice, "only"},
		{"bob writes", as(), bob, "both"},
		{"somebody else writes", as(), policytest.Key(3), "unless"},
		{"somebody else's event through alice", as(alice), policytest.Key(3), "only"},
		{"bob's through alice", as(alice), bob, "only"},
	} {
		if d := chain.Early(ctx, c.client, by(c.author)); d.By != c.want {
			t.Errorf("%s: refused by %q, want %q", c.name, d.By, c.want)
		}
		explained, so := chain.Explain(ctx, c.client, by(c.author))
		i := slices.IndexFunc(explained, func(a policy.Answer) bool { return a.Action == policy.Reject })
		if len(explained) != 3 || explained[i].Link.Name != c.want || so.By != c.want || slices.ContainsFunc(explained[:i], func(a policy.Answer) bool { return a.Asked }) {
			t.Errorf("%s: explained as %+v", c.name, explained)
		}
	}
	for _, c := range []struct {
		name   string
		client *policytest.Client
		want   string
	}{{"an unauthenticated client reads", as(), "unless"}, {"bob reads", as(bob), "both"}, {"alice reads", as(alice), "only"}} {
		if d := chain.Filter(ctx, c.client, &event.Filter{}); d.By != c.want {
			t.Errorf("%s: refused by %q, want %q", c.name, d.By, c.want)
		}
	}
	asked = nil
	if chain.Deliver(as(alice), by(policytest.Key(3))) || strings.Join(asked, " ") != "only deliver" {
		t.Errorf("delivery to alice asked %v", asked)
	}
}

// says is a policy with one answer.
type says struct{ policy.Verdict }

func (s says) Event(context.Context, policy.Client, *event.Event) policy.Verdict { return s.Verdict }

// lateSays gives it once the signature holds.
type lateSays struct{ says }

func (lateSays) AfterSignature() {}

// What Explain calls the decision is what the chain decides.
func TestExplainDecidesAsTheChainDoes(t *testing.T) {
	var all []policy.Named
	for _, action := range []policy.Action{policy.Accept, policy.Reject, policy.Shadow, policy.RelayOnly} {
		for _, mode := range []policy.Mode{policy.Enforce, policy.Observe} {
			s := says{policy.Verdict{Action: action}}
			all = append(all, policy.Named{Mode: mode, Policy: s}, policy.Named{Mode: mode, Policy: lateSays{s}})
		}
	}
	client, e := &policytest.Client{}, policytest.Event(event.Event{Kind: 1})
	for _, a := range all {
		for _, b := range all {
			for _, c := range all {
				a.Name, b.Name, c.Name = "a", "b", "c"
				chain := policy.NewChain(nil, a, b, c)
				want := chain.Early(ctx, client, e)
				if want.Action == policy.Accept || want.Action == policy.RelayOnly {
					want = chain.Late(ctx, client, e, want)
				}
				if _, got := chain.Explain(ctx, client, e); got != want {
					t.Fatalf("%+v %+v %+v: %+v, want %+v", a, b, c, got, want)
				}
			}
		}
	}
}

type involving struct{ link }

func (i involving) InvolvedKinds() []uint16 { return i.kinds }

func TestInvolvedKindsAreThoseOfPoliciesThatConcernTheClient(t *testing.T) {
	var asked []string
	of := func(kinds ...uint16) policy.Policy { return involving{link{"p", no, kinds, &asked}} }
	chain := policy.NewChain(nil,
		policy.Named{Name: "a", Policy: of(4, 1059, 4)},
		policy.Named{Name: "b", Policy: of(13), Mode: policy.Observe},
		policy.Named{Name: "c", Policy: of(14, 1059), Unless: group{{1}}},
	)
	if got := chain.Involved(client); !slices.Equal(got, []uint16{4, 14, 1059}) {
		t.Errorf("an unauthenticated client: %v", got)
	}
	member := &policytest.Client{Keys: []event.PubKey{{1}}}
	if got := chain.Involved(member); !slices.Equal(got, []uint16{4, 1059}) {
		t.Errorf("a member: %v", got)
	}
	if got := policy.NewChain(nil).Involved(client); got != nil {
		t.Errorf("without a policy: %v", got)
	}
}
