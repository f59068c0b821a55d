package relay_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/policy/builtin"
	"moa/policy/policytest"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/memstore"
)

// heldStore reads nothing while it is held.
type heldStore struct {
	store.Store
	gate    atomic.Pointer[chan struct{}]
	waiting atomic.Int32
}

func (s *heldStore) hold() (release func()) {
	gate := make(chan struct{})
	s.gate.Store(&gate)
	return func() { s.gate.Store(nil); close(gate) }
}

func (s *heldStore) wait() {
	if gate := s.gate.Load(); gate != nil {
		s.waiting.Add(1)
		<-*gate
	}
}

// reached waits until a client reads.
func (s *heldStore) reached(t *testing.T) {
	t.Helper()
	relaytest.Eventually(t, "the store is asked", func() bool { return s.waiting.Load() > 0 })
}

func (s *heldStore) Count(q store.Query) store.Scan { return heldScan{s.Store.Count(q), s} }

func (s *heldStore) Scan(q store.Query) store.Scan { return heldScan{s.Store.Scan(q), s} }

type heldScan struct {
	store.Scan
	s *heldStore
}

// Next holds back what it has found: a page is ready, and not yet sent.
func (h heldScan) Next(ctx context.Context, p store.Page, found func(*store.Record) error) (store.Progress, error) {
	progress, err := h.Scan.Next(ctx, p, found)
	h.s.wait()
	return progress, err
}

// refuser refuses every filter, and cannot be asked again by kinds.
type refuser struct{}

func (refuser) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}

func (refuser) Filter(context.Context, policy.Client, *event.Filter) policy.Verdict {
	return policy.Refuse(reason.Restricted, "nobody may read here")
}

// losses are what takes the right to read from bob, or from an unauthenticated client, and what
// that one is told. Carol keeps it.
var losses = map[string]struct {
	unauthenticated bool
	before          []map[string]any // policies
	after           []map[string]any // nil: alice's list changes
	opaque          bool             // and a policy that cannot be asked again
	told            string
}{
	"a list loses a member": {
		before: []map[string]any{{"use": "readers", "follows_of": []any{alice.Hex()}}}, told: "restricted: ",
	},
	"a list of some kinds loses a member": {
		before: []map[string]any{{"use": "readers", "kinds": "1", "follows_of": []any{alice.Hex()}}}, told: "restricted: ",
	},
	"a reload brings readers": {
		after: []map[string]any{{"use": "readers", "pubkeys": []any{carol.Hex()}}}, told: "restricted: ",
	},
	"a reload brings auth": {
		unauthenticated: true, after: []map[string]any{{"use": "auth", "write": false}}, told: "auth-required: ",
	},
	"a reload lets a policy be about everybody": {
		before: []map[string]any{{"use": "readers", "pubkeys": []any{carol.Hex()}, "only": map[string]any{"pubkeys": []any{carol.Hex()}}}},
		after:  []map[string]any{{"use": "readers", "pubkeys": []any{carol.Hex()}}}, told: "restricted: ",
	},
	"a reload brings a policy that asks once": {after: []map[string]any{}, opaque: true, told: "error: "},
}

// doors are what one may be in the middle of.
var doors = []struct {
	name         string
	held         bool   // the store is, until the right is lost
	begin, heard string // what is said, and heard when it is open
	then         string // what is said afterwards; "": a live event comes
}{
	{name: "live", begin: `["REQ","x",{"kinds":[1],"limit":0}]`, heard: `["EOSE","x"]`},
	{name: "live, everything", begin: `["REQ","x",{"kinds":[1],"#t":["x"]},{"kinds":[1],"authors":["` + dave.Hex() + `"],"limit":0}]`, heard: `["EOSE","x"]`},
	{name: "paging", held: true, begin: `["REQ","x",{"kinds":[1]}]`},
	{name: "counting", held: true, begin: `["COUNT","x",{"kinds":[1]}]`},
	{name: "gathering", held: true, begin: `["NEG-OPEN","x",{"kinds":[1]},"61"]`},
	{name: "syncing", begin: `["NEG-OPEN","x",{"kinds":[1]},"61"]`, heard: `["NEG-MSG","x","61"]`, then: `["NEG-MSG","x","61"]`},
}

// A client that loses the right to read hears nothing more, in whatever the client is
// in the middle of, and is told so.
func TestALostRightEndsWhatIsOpen(t *testing.T) {
	for cause, loss := range losses {
		for _, door := range doors {
			t.Run(cause+"/"+door.name, func(t *testing.T) {
				st := &heldStore{Store: memstore.New()}
				chain := buildOn(t, st.Store, loss.before)
				r := relaytest.Start(t, relaytest.Options{Store: st, Chain: chain})
				writer := r.Dial(t)
				writer.Accepted(t, alice.Sign(t, event.Event{Kind: 3, CreatedAt: 1000, Tags: tags([]string{"p", bob.Hex()}, []string{"p", carol.Hex()})}))
				relaytest.Eventually(t, "bob may read", func() bool { return mayRead(chain, bob) })
				loser, keeper := r.Dial(t), r.Dial(t)
				if !loss.unauthenticated {
					loser.Authenticate(t, bob, loser.Challenge(t))
				}
				keeper.Authenticate(t, carol, keeper.Challenge(t))
				if door.heard == "" {
					writer.Accepted(t, dave.Note(t, "stored"))
				}
				keeper.Stored(t, "k", `{"kinds":[1],"limit":0}`)
				release := func() {}
				if door.held {
					release = st.hold()
				}
				loser.Say(t, "%s", door.begin)
				if door.heard != "" && loser.Next(t) != door.heard {
					t.Fatal("it is not open")
				}
				if door.held {
					st.reached(t)
				}
				if loss.after == nil {
					writer.Accepted(t, alice.Sign(t, event.Event{Kind: 3, CreatedAt: 1001, Tags: tags([]string{"p", carol.Hex()})}))
					relaytest.Eventually(t, "bob may not read", func() bool { return !mayRead(chain, bob) })
				} else {
					next := buildOn(t, st.Store, loss.after)
					if loss.opaque {
						next = policy.NewChain(nil, append(slices.Clone(next.Links()), policy.Named{Name: "refuser", Policy: refuser{}})...)
					}
					if err := r.Server.Reload(relaytest.Config(), next); err != nil {
						t.Fatal(err)
					}
				}
				live := dave.Note(t, "live")
				release()
				if door.then != "" {
					loser.Say(t, "%s", door.then)
				}
				writer.Accepted(t, live)
				told := lostBy(t, loser)
				if !strings.HasPrefix(told, loss.told) {
					t.Errorf("told %q, want %q", told, loss.told)
				}
				loser.Say(t, `["CLOSE","x"]`)
				if !loss.opaque && keeper.Event(t, "k").ID != live.ID {
					t.Error("who keeps the right does not hear on")
				}
			})
		}
	}
}

// lostBy hears what ends x, and nothing else but a challenge before it.
func lostBy(t *testing.T, c *relaytest.Client) string {
	t.Helper()
	for {
		m := c.Next(t)
		reply, err := wire.ParseReply([]byte(m))
		switch {
		case err != nil:
			t.Fatal(err)
		case reply.Verb == wire.Closed || reply.Verb == wire.NegErr:
			return reply.Text
		case reply.Verb != wire.Auth:
			t.Fatalf("without the right, heard %.200s", m)
		}
	}
}

// storedIn is policy.Env.Stored of a store.
func storedIn(st store.Store) func(context.Context, *event.Filter, func(*event.Event) error) error {
	return func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
		_, err := st.Scan(store.Query{Filters: []*event.Filter{f}}).Next(ctx, store.Page{}, func(r *store.Record) error {
			e, err := r.Event()
			if err != nil {
				return err
			}
			return found(e)
		})
		return err
	}
}

// envOn is where policies work that know a store.
func envOn(st store.Store) policy.Env { return policy.Env{Stored: storedIn(st)} }

// buildOn builds a chain whose lists are read from the store. decided, of which there is
// at most one, is what operators have decided.
func buildOn(t *testing.T, st store.Store, tables []map[string]any, decided ...policy.Decided) *policy.Chain {
	t.Helper()
	env := envOn(st)
	if len(decided) > 0 {
		env.Decided = decided[0]
	}
	return buildIn(t, env, tables)
}

func buildIn(t *testing.T, env policy.Env, tables []map[string]any) *policy.Chain {
	t.Helper()
	chain, faults := builtin.Build(env, nil, tables)
	if faults != nil {
		t.Fatal(faults)
	}
	return chain
}

func mayRead(chain *policy.Chain, k relaytest.Key) bool {
	client := &policytest.Client{Keys: []event.PubKey{k.PubKey}}
	return chain.Filter(context.Background(), client, &event.Filter{Kinds: []uint16{1}}).Action == policy.Accept
}

// A client that is not sent anything learns all the same that it is not
// subscribed any more.
func TestALostRightIsToldInSilence(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	c.Stored(t, "x", `{"kinds":[1],"limit":0}`)
	if err := r.Server.Reload(relaytest.Config(), buildOn(t, r.Store, []map[string]any{{"use": "auth"}})); err != nil {
		t.Fatal(err)
	}
	if told := lostBy(t, c); !strings.HasPrefix(told, "auth-required: ") {
		t.Errorf("told %q", told)
	}
}

// To prove a key may end a right, too: a policy may be about that one.
func TestAnIdentityMayEndARight(t *testing.T) {
	about := map[string]any{"use": "readers", "pubkeys": []any{carol.Hex()}, "only": map[string]any{"pubkeys": []any{bob.Hex()}}}
	r := relaytest.Start(t, relaytest.Options{Chain: buildOn(t, memstore.New(), []map[string]any{about})})
	c := r.Dial(t)
	challenge := c.Challenge(t)
	c.Stored(t, "x", `{"kinds":[1],"limit":0}`)
	e := bob.Auth(t, c.URL, challenge)
	c.Say(t, `["AUTH",`+string(e.Raw)+`]`)
	if told := lostBy(t, c); !strings.HasPrefix(told, "restricted: ") {
		t.Errorf("told %q", told)
	}
	c.HearOK(t, e.ID.String())
}

// What is asked again is the right, not how often a client asks; and what has
// not changed is not asked about again.
func TestARightThatIsKeptCostsNothing(t *testing.T) {
	st := memstore.New()
	tables := []map[string]any{{"use": "rate", "of": "filters", "count": int64(1), "interval": "1h", "exempt_loopback": false}}
	r := relaytest.Start(t, relaytest.Options{Store: st, Chain: buildOn(t, st, tables)})
	c, w := r.Dial(t), r.Dial(t)
	c.Stored(t, "x", `{"kinds":[1],"limit":0}`)
	for n := range 3 {
		if err := r.Server.Reload(relaytest.Config(), buildOn(t, st, tables)); err != nil {
			t.Fatal(err)
		}
		e := dave.Note(t, fmt.Sprint(n))
		w.Accepted(t, e)
		if got := c.Event(t, "x"); got.ID != e.ID {
			t.Errorf("heard %s", got.Raw)
		}
	}
}

var dave = relaytest.NewKey(4)

// The first thing that an operator hides is hidden from those, too, whose question
// came when there was nothing hidden to look for.
func TestWhatIsHiddenMeanwhileIsNotSent(t *testing.T) {
	for _, door := range doors {
		if !door.held {
			continue
		}
		t.Run(door.name, func(t *testing.T) {
			st := &heldStore{Store: memstore.New()}
			var decided policytest.Decided
			chain := buildOn(t, st.Store, nil, &decided)
			r := relaytest.Start(t, relaytest.Options{Store: st, Chain: chain})
			c := r.Dial(t)
			c.Accepted(t, dave.Note(t, "hidden soon"))
			release := st.hold()
			c.Say(t, "%s", door.begin)
			st.reached(t)
			decided.Hide(dave.PubKey)
			release()
			if m := c.Next(t); !strings.Contains(m, `"error: `) {
				t.Errorf("%s", m)
			}
		})
	}
}

// linedStore lets no page of a scan begin before its kind's gate is open.
type linedStore struct {
	store.Store
	gates map[uint16]chan struct{}
	begun atomic.Int32 // scans of kind 1
}

func (s *linedStore) Scan(q store.Query) store.Scan {
	kind := q.Filters[0].Kinds[0]
	if kind == 1 {
		s.begun.Add(1)
	}
	return stuckScan{s.Store.Scan(q), s.gates[kind], new(atomic.Int32)}
}

// What one REQ is held to is decided once, when it comes: that nothing is hidden
// when a worker begins with it, which may be later, lets it see no more.
func TestAQuestionInLineIsHeldToWhatItCameWith(t *testing.T) {
	st := &linedStore{Store: memstore.New(), gates: map[uint16]chan struct{}{1: make(chan struct{}), 7777: make(chan struct{})}}
	var decided policytest.Decided
	chain := buildOn(t, st.Store, nil, &decided)
	r := relaytest.Start(t, relaytest.Options{Store: st, Chain: chain})
	c, before := r.Dial(t), r.Dial(t)
	c.Accepted(t, dave.Note(t, "hidden later"))
	decided.Hide(carol.PubKey)
	workers := runtime.GOMAXPROCS(0)
	for n := range workers {
		if n > 0 {
			before = r.Dial(t)
		}
		before.Say(t, `["REQ","x",{"kinds":[7777]}]`)
	}
	open := func(n int) {
		relaytest.Eventually(t, "it is open", func() bool { return r.Metric(t, "moa_subscriptions") == float64(n) })
	}
	open(workers)
	c.Say(t, `["REQ","x",{"kinds":[1]}]`)
	open(workers + 1)
	decided.Decide(carol.PubKey, policy.AuthorDecision{})
	close(st.gates[7777])
	relaytest.Eventually(t, "it has begun", func() bool { return st.begun.Load() > 0 })
	decided.Hide(dave.PubKey)
	close(st.gates[1])
	if m := c.Next(t); strings.HasPrefix(m, `["EVENT"`) {
		t.Errorf("%s", m)
	}
}
