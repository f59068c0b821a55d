package builtin

import (
	"strings"
	"testing"

	"moa/nips/event"
)

func TestContentRules(t *testing.T) {
	text := func(s string) event.Event { return event.Event{Kind: 1, Content: s} }
	for _, c := range []struct {
		config string
		e      event.Event
		want   string
	}{
		{"deny=['(?i)buy followers']", text("BUY followers now"), "blocked: the content has words that are not accepted"},
		{"deny=['(?i)buy followers']", text("good morning"), ""},
		{"deny=['x']\nkinds='7'", text("x"), ""},
		{"require=['gm', 'pv']", text("gm"), ""},
		{"require=['gm', 'pv']", text("hello"), "blocked: the content has none of the words"},
		{"min_length=3", text("  ab \n"), "blocked: the content is too short"},
		{"min_length=3", text("abc"), ""},
		{"links=1", text("see https://a.example and HTTP://b.example"), "blocked: the content has 2 links; at most 1"},
		{"links=1", text("see https://a.example and nostr://b and ://"), ""},
		{"links=0", text("https://"), "blocked: the content has 1 links"},
		{"media=0", text("https://a.example/x.JPG?w=1"), "blocked: the content has 1 links to media"},
		{"media=0", text("https://a.example/x.html https://jpg"), ""},
		{"word=10", text("aaaaaaaaaa bbb"), ""},
		{"word=10", text(strings.Repeat("QUJD", 3)), "blocked: the content has more than 10 characters without a space"},
		{"", event.Event{Kind: 0, Content: `{"name":"x"}`}, ""},
		{"", event.Event{Kind: 0, Content: `{"name":`}, "blocked: the content of kind 0 must be a JSON object"},
		{"", event.Event{Kind: 0, Content: `"x"`}, "blocked: the content of kind 0 must be"},
		{"json=''", event.Event{Kind: 0, Content: `x`}, ""},
	} {
		expect(t, c.config+" "+c.e.Content, ask(use(t, "use='content'\n"+c.config), nobody, c.e), c.want)
	}
}

func TestTagRules(t *testing.T) {
	for _, c := range []struct {
		rules string
		e     event.Event
		want  string
	}{
		{"{tag='t', least=1}", at(1), `blocked: add a "t" tag`},
		{"{tag='t', least=1}", at(1, "t=x"), ""},
		{"{tag='t', least=2}", at(1, "t=x"), `blocked: the event has 1 "t" tags; at least 2`},
		{"{tag='t', most=1}", at(1, "t=x", "t=y"), `blocked: the event has 2 "t" tags; at most 1`},
		{"{tag='t', values=['a','b']}", at(1, "t=a", "t=c"), `blocked: the tag "t" has the value "c"; accepted are a, b`},
		{"{tag='t', values=['a','b']}", at(1, "p=c"), ""},
		{"{tag='t', deny=['nsfw']}", at(1, "t=nsfw"), `blocked: the tag "t" has the value "nsfw", which is not accepted`},
		{"{tag='e', pattern='^[0-9a-f]{64}$'}", at(1, "e=short"), `blocked: the tag "e" has the value "short", which does not have the form`},
		{"{tag='t', least=1}, {tag='h', least=1}", at(1, "t=x"), `blocked: add a "h" tag`},
	} {
		expect(t, c.rules, ask(use(t, "use='tags'\nrules=["+c.rules+"]"), nobody, c.e), c.want)
	}
	_, faults := build(t, "[[policy]]\nuse='tags'\nrules=[{tag='t', pattern='('}]\n[[policy]]\nuse='tags'\nrules=[{least=2, most=1}]")
	var got strings.Builder
	for _, f := range faults {
		got.WriteString(f.Error() + "\n")
	}
	for _, want := range []string{"policy[0].rules[0].pattern: error parsing regexp", "policy[1].rules[0].tag: missing", "policy[1].rules[0].most: 1 is less than"} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("no %s in\n%s", want, &got)
		}
	}
}
