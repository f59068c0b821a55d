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
		{"blob=40", text("short: " + strings.Repeat("QUJD", 10)), ""},
		{"blob=40", text("data:image/png;base64," + strings.Repeat("QUJD", 10) + "="), "blocked: the content has a file in it"},
		{"blob=40", text(strings.Repeat("これは長い文章です", 20)), ""},
		{"blob=40", text("https://example.com/" + strings.Repeat("a-path/", 5) + "?q=" + strings.Repeat("x", 30)), ""},
		{"json='0'", event.Event{Kind: 0, Content: `{"name":"x"}`}, ""},
		{"json='0'", event.Event{Kind: 0, Content: `{"name":`}, "blocked: the content of kind 0 must be a JSON object"},
		{"json='0'", event.Event{Kind: 0, Content: `"x"`}, "blocked: the content of kind 0 must be"},
		{"", event.Event{Kind: 0, Content: `x`}, ""},
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

func TestShapes(t *testing.T) {
	id, addr := strings.Repeat("a", 64), "30023:"+key(alice)+":x"
	p := use(t, "use='shape'")
	for _, c := range []struct {
		e    event.Event
		want string
	}{
		{at(1), ""},
		{event.Event{Kind: 0, Content: "{}"}, ""},
		{event.Event{Kind: 0, Content: "x"}, "invalid: the content of kind 0 must be a JSON object (NIP-01)"},
		{at(3), ""},
		{at(3, "p="+key(alice)), ""},
		{at(3, "p=npub1x"), `invalid: the tag "p" has the value "npub1x", which is not a public key (NIP-02)`},
		{at(5, "k=1"), "invalid: an event of kind 5 needs a tag e or a (NIP-09)"},
		{at(5, "a="+addr), ""},
		{at(5, "e="+id, "a=1"), `invalid: the tag "a" has the value "1", which is not an address`},
		{at(6), "invalid: an event of kind 6 needs a tag e (NIP-18)"},
		{event.Event{Kind: 6, Content: "see this", Tags: []event.Tag{{"e", id}}}, "invalid: the content of kind 6 must be a JSON object (NIP-18)"},
		{event.Event{Kind: 6, Content: `{"id":"x"}`, Tags: []event.Tag{{"e", id}}}, ""},
		{at(6, "e="+id), ""},
		{at(40), "invalid: the content of kind 40 must be a JSON object (NIP-28)"},
		{event.Event{Kind: 40, Content: `{"name":"x"}`}, ""},
		{event.Event{Kind: 30018, Content: `["x"]`, Tags: []event.Tag{{"d", "x"}}}, "invalid: the content of kind 30018 must be a JSON object (NIP-15)"},
		{at(9735, "p="+key(alice), "bolt11=lnbc1", "description=thanks"), `invalid: the tag "description" has the value "thanks", which is not a JSON object (NIP-57)`},
		{at(7, "e="+id), ""},
		{at(16, "a="+addr), ""},
		{at(1059), "invalid: an event of kind 1059 needs a tag p (NIP-59)"},
		{at(1111, "I=geo:u33", "K=geo", "i=geo:u33", "k=geo"), ""},
		{at(1111, "e="+id), "invalid: an event of kind 1111 needs a tag A or E or I (NIP-22)"},
		{at(9735, "p="+key(alice), "bolt11=lnbc1", "description={}"), ""},
		{at(9735, "p="+key(alice), "bolt11="), `invalid: the tag "bolt11" has no value (NIP-57)`},
		{at(10002, "r=wss://a.example", "r=https://b.example"), `invalid: the tag "r" has the value "https://b.example", which is not a relay URL (NIP-65)`},
		{at(30023, "d=x"), ""},
	} {
		expect(t, c.want, ask(p, nobody, c.e), c.want)
	}
	if _, faults := build(t, "[[policy]]\nuse='shape'\nkinds='0-3'"); len(faults) != 1 || faults[0].Error() != "policy[0].kinds: the shape of kind 1 is not known" {
		t.Error(faults)
	}
}

// Real events have the shape that their NIP gives them, but for few.
func TestRealEventsHaveTheirShape(t *testing.T) {
	p := use(t, "use='shape'")
	events, refused := corpus(t)[2:], 0
	for _, e := range events {
		if v := p.Event(t.Context(), nobody, e); v.Action != 0 {
			refused++
			t.Logf("%s: %.200s", v.Text, e.Raw)
		}
	}
	if refused > len(events)/50 {
		t.Errorf("%d of %d are refused", refused, len(events))
	}
}
