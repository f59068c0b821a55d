package builtin

import (
	"fmt"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/policytest"
)

func TestExpressionsDecide(t *testing.T) {
	const no = "blocked: a rule of this relay does not accept this event"
	asAlice := &policytest.Client{Addr: "::ffff:192.0.2.9", Name: "relay.example", Keys: []event.PubKey{alice}}
	e := event.Event{Kind: 1, PubKey: alice, CreatedAt: 1_000_000, Content: "good morning", Tags: []event.Tag{{"t", "nostr"}, {"t", "go"}, {"x"}}}
	for text, want := range map[string]string{
		`kind == 1 && content contains "morning"`: "",
		`kind == 7`:               no,
		`content matches "^good"`: "",
		`lower(content) startsWith "g" and len(tags) == 3`:                       "",
		`tag("t") == "nostr" && has_tag("x") && tag("x") == "" && !has_tag("y")`: "",
		`"go" in values("t") && len(values("t")) == 2`:                           "",
		`any(tags, # [0] == "t" && #[1] == "go")`:                                "",
		`any(tags, any(#, # == "go"))`:                                           "",
		`pubkey == "` + key(alice) + `" && author_authed && authed == [pubkey]`:  "",
		`ip == "192.0.2.9" && host == "relay.example"`:                           "",
		`age > 86400 && created_at == 1000000 && size > 100 && pow >= 0`:         "",
		`len(id) == 64`:     "",
		`listed`:            no,
		`tags[5][0] == "x"`: "error: a check that this relay makes cannot be made",
	} {
		expect(t, text, ask(use(t, fmt.Sprintf("use='expr'\naccept='''%s'''", text)), asAlice, e), want)
	}
	p := use(t, "use='expr'\naccept='listed'\nmessage='friends only'\nkinds='1'\npeople={pubkeys=['"+key(bob)+"']}")
	expect(t, "alice", ask(p, nobody, e), "blocked: friends only")
	expect(t, "bob", ask(p, nobody, note(bob)), "")
	expect(t, "another kind", ask(p, nobody, at(7)), "")
	expect(t, "shadow", ask(use(t, "use='expr'\naccept='false'\nshadow=true"), nobody, e), "shadow")
}

func TestExpressionsThatCannotBeBoundedAreFaults(t *testing.T) {
	for text, want := range map[string]string{
		``:                                      "accept: missing",
		`kind ==`:                               "unexpected token",
		`kind + 1`:                              "bool",
		`typo == 1`:                             "unknown name typo",
		`repeat(content, 1000000) != ""`:        "unknown name repeat",
		`len(1..1000000) > 1`:                   "ranges (..) are not allowed",
		`content matches content`:               "the pattern of matches must be a plain text",
		`content matches "("`:                   "missing closing )",
		`any(tags, any(tags, any(tags, true)))`: "loops 3 deep; at most 2",
		`any(map(tags, filter(#, any(tags, true))), true)`: "loops 3 deep",
		strings.Repeat("true and ", 600) + "true":          "maximum",
	} {
		_, faults := build(t, fmt.Sprintf("[[policy]]\nuse='expr'\naccept='''%s'''", text))
		if len(faults) != 1 || !strings.HasPrefix(faults[0].Path, "policy[0].accept") || !strings.Contains(faults[0].Error(), want) {
			t.Errorf("%.60s: %.300v, want %s", text, faults, want)
		}
	}
	_, faults := build(t, "[[policy]]\nuse='expr'\naccept='true'\npeople={files=['nowhere']}")
	if len(faults) != 1 || faults[0].Path != "policy[0].people.files[0]" {
		t.Error(faults)
	}
}

func TestCostlyEventsAreNotAskedAbout(t *testing.T) {
	many := event.Event{Kind: 1}
	for range 1100 {
		many.Tags = append(many.Tags, event.Tag{"t"})
	}
	const refused = "blocked: the event has too many tags"
	expect(t, "one loop", ask(use(t, "use='expr'\naccept='all(tags, true)'"), nobody, many), "")
	expect(t, "two loops", ask(use(t, "use='expr'\naccept='all(tags, all(tags, true))'"), nobody, many), refused)
	many.Content = strings.Repeat("x", 1<<17)
	expect(t, "a loop over the content", ask(use(t, "use='expr'\naccept='all(tags, content != \"\")'"), nobody, many), refused)
}

func BenchmarkExpression(b *testing.B) {
	tables := []map[string]any{{"use": "expr", "accept": `kind != 1 || len(content) < 500 || any(tags, #[0] == "t")`}}
	chain, faults := Build(policy.Env{}, nil, tables)
	if faults != nil {
		b.Fatal(faults)
	}
	p := last(chain)
	e := policytest.Event(at(1, "t=x"))
	b.ReportAllocs()
	for b.Loop() {
		p.Event(b.Context(), nobody, e)
	}
}
