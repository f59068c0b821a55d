package builtin

import (
	"slices"
	"testing"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/policytest"
)

// club is a policy.Members: the roles of each of its members.
type club struct {
	roles      map[event.PubKey][]string
	generation uint64
}

func (c *club) Member(pk event.PubKey, role string) bool {
	roles, is := c.roles[pk]
	return is && (role == "" || slices.Contains(roles, role))
}

func (c *club) MembersGeneration() uint64 { return c.generation }

func (c *club) set(pk event.PubKey, roles ...string) {
	c.roles[pk] = roles
	c.generation++
}

func (c *club) expel(pk event.PubKey) {
	delete(c.roles, pk)
	c.generation++
}

func chainOf(t *testing.T, env policy.Env, text string) *policy.Chain {
	t.Helper()
	chain, faults := Build(env, nil, parse(t, text))
	if faults != nil {
		t.Fatal(faults)
	}
	return chain
}

// Whoever joins or is expelled is let in or out at once, and what is open is asked again.
func TestMembersArePeople(t *testing.T) {
	c := &club{roles: map[event.PubKey][]string{}}
	chain := chainOf(t, policy.Env{Members: c}, `
[[policy]]
use = "allow"
members = true
pubkeys = ["`+key(carol)+`"]
[[policy]]
use = "kinds"
deny = "30023"
unless = { members = ["editor", "admin"] }
[[policy]]
use = "readers"
members = true
kinds = "30023"`)
	write := func(pk event.PubKey, kind uint16) string {
		return text(chain.Early(t.Context(), nobody, policytest.Event(event.Event{Kind: kind, PubKey: pk})).Verdict)
	}
	reads := func(pk event.PubKey) bool {
		return chain.MayRead(&policytest.Client{Keys: []event.PubKey{pk}}, []uint16{30023}).Action == policy.Accept
	}
	expect(t, "carol", write(carol, 1), "")
	expect(t, "alice", write(alice, 1), refusedByAllow)
	if reads(alice) {
		t.Error("alice reads")
	}
	before := chain.Version()
	c.set(alice)
	if now := chain.Version(); now == before {
		t.Error("nobody is asked again after a join")
	}
	expect(t, "alice has joined", write(alice, 1), "")
	expect(t, "she is no editor", write(alice, 30023), "blocked: ")
	if !reads(alice) {
		t.Error("a member does not read")
	}
	c.set(alice, "editor")
	expect(t, "she is an editor", write(alice, 30023), "")
	generation := chain.Generation()
	onItsWay := policytest.Event(note(alice))
	c.expel(alice)
	if again := chain.Again(t.Context(), nobody, onItsWay); chain.Generation() == generation || again.Action != policy.Reject {
		t.Error("what is on its way is not asked about again", again)
	}
	expect(t, "she is expelled", write(alice, 1), refusedByAllow)
	if reads(alice) {
		t.Error("one who was expelled reads")
	}
	if warned := Warnings(chain); len(warned) != 0 {
		t.Error(warned)
	}
}

func TestFaultsOfMembers(t *testing.T) {
	for _, value := range []string{"'all'", "1", "['']", "[1]", "false", "[]"} {
		if _, faults := build(t, "[[policy]]\nuse='allow'\nmembers="+value); len(faults) != 1 {
			t.Errorf("%s: %v", value, faults)
		}
	}
	p := use(t, "use='allow'\nmembers=true")
	expect(t, "where there are no members", ask(p, nobody, note(alice)), refusedByAllow)
}

// Hidden lists of members are for members and administrators.
func TestHiddenListsOfMembers(t *testing.T) {
	c := &club{roles: map[event.PubKey][]string{alice: nil}}
	env := policy.Env{Members: c, HideMembers: true, Administrators: []event.PubKey{carol}, Self: func() event.PubKey { return policytest.Key(7) }}
	for hidden, shown := range map[bool]bool{true: false, false: true} {
		env.HideMembers = hidden
		chain := chainOf(t, env, "")
		for _, kind := range []uint16{8000, 8001, 13534} {
			list := policytest.Event(event.Event{Kind: kind, PubKey: policytest.Key(7)})
			for name, reader := range map[string]*policytest.Client{
				"nobody": nobody, "bob": {Keys: []event.PubKey{bob}}, "alice": {Keys: []event.PubKey{alice}}, "carol": {Keys: []event.PubKey{carol}},
			} {
				want := shown || name == "alice" || name == "carol"
				if chain.Deliver(reader, list) != want {
					t.Errorf("hidden %v, kind %d: %s sees it: %v", hidden, kind, name, !want)
				}
				if asks := chain.Filter(t.Context(), reader, &event.Filter{Kinds: []uint16{kind}}); (asks.Action == policy.Accept) != want {
					t.Errorf("hidden %v, kind %d: %s asks: %v", hidden, kind, name, asks)
				}
			}
		}
	}
}
