package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay/relaytest"
)

// Half of a new file is right, and half is not: all that is wrong is named, and
// nothing of it is in force, not even started.
func TestFaultyPoliciesChangeNothing(t *testing.T) {
	dir := t.TempDir()
	started := filepath.Join(dir, "started")
	s := serveFile(t, "[[policy]]\nuse = \"rate\"\nby = [\"ip\"]\ncount = 2\ninterval = \"1h\"\nexempt_loopback = false\n")
	c, alice := relaytest.Dial(t, s.URL), relaytest.NewKey(1)
	c.Stored(t, "live", `{"kinds":[1],"limit":0}`)
	c.Accepted(t, alice.Note(t, "one"))
	c.Event(t, "live")
	s.rewrite(t, "new", `
[limits]
subscriptions = 1
[[policy]]
use = "kinds"
deny = "1"
[[policy]]
use = "plugin"
command = "touch `+started+`; cat"
[[policy]]
use = "geo"
prefixes = ["u33", "u4pria"]
mode = "watch"
[[policy]]
use = "tags"
rules = [{ tag = "t", pattern = "(" }]
[[policy]]
use = "content"
dney = ["x"]
[[policy]]
use = "nothing"
[[policy]]
use = "languages"
allow = ["en", "klingon"]
`)
	told := s.waitFor(t, "configuration not reloaded, the old one stays in force")["err"].(string)
	for _, path := range []string{"policy[2].prefixes[1]: ", "policy[2].mode: ", "policy[3].rules[0].pattern: ", "policy[4].dney: ", "policy[5].use: ", "policy[6].allow[1]: "} {
		if !strings.Contains(told, path) {
			t.Errorf("%s is not named: %s", path, told)
		}
	}
	if name := relayName(t, s.URL); name == "new" {
		t.Error("the new name is in force")
	}
	if _, err := os.Stat(started); err == nil {
		t.Error("the new plugin was started")
	}
	c.Stored(t, "second", `{"kinds":[7],"limit":0}`)
	c.Accepted(t, alice.Note(t, "two"))
	c.Event(t, "live") // on the connection, and the subscription, of before
	c.Refused(t, alice.Note(t, "three"), "rate-limited: ")
}

// What policies say comes to the client in plain words, and what they ask for
// helps.
func TestPoliciesSpeakPlainlyThroughTheSocket(t *testing.T) {
	member := relaytest.NewKey(1)
	config := writeConfig(t, `
[[policy]]
use = "shape"
[[policy]]
use = "content"
kinds = "1"
media = 1
blob = 100
[[policy]]
use = "tags"
kinds = "30402"
rules = [{ tag = "t", least = 1, most = 2, values = ["bike", "boat"] }]
[[policy]]
use = "languages"
allow = ["de", "en"]
[[policy]]
use = "expr"
accept = "not (kind == 1 and content contains 'casino') or listed"
message = "no casinos here"
people = { pubkeys = ["`+member.Hex()+`"] }
[[policy]]
use = "allow"
kinds = "7, 9735"
pubkeys = ["`+member.Hex()+`"]
about = "7, 9735"
[[policy]]
use = "spam"
new_for = "0s"
copies = 1
step = 4
`)
	s := serveIn(t, t.TempDir(), "--config", config, "--trusted-proxies", "127.0.0.1")
	c := relaytest.Dial(t, s.URL, "X-Forwarded-For", "192.0.2.1")
	guest := relaytest.NewKey(9)
	request := `{"kind":9734}`
	for _, x := range []struct {
		e    event.Event
		want string // "": accepted
	}{
		{event.Event{Kind: 1, Content: "see https://a.example/1.jpg and https://a.example/2.jpg"}, "blocked: the content has 2 links to media; at most 1"},
		{event.Event{Kind: 1, Content: "data:image/png;base64," + strings.Repeat("iVBORw0K", 20)}, "blocked: the content has a file in it, of more than 100 characters; upload files elsewhere"},
		{event.Event{Kind: 0, Content: "me"}, "invalid: the content of kind 0 must be a JSON object (NIP-01)"},
		{event.Event{Kind: 30402, Tags: []event.Tag{{"d", "1"}}}, `blocked: add a "t" tag`},
		{event.Event{Kind: 30402, Tags: []event.Tag{{"d", "1"}, {"t", "car"}}}, `blocked: the tag "t" has the value "car"; accepted are bike, boat`},
		{event.Event{Kind: 30402, Tags: []event.Tag{{"d", "1"}, {"t", "boat"}}}, ""},
		{event.Event{Kind: 1, Content: "Сегодня утром я проснулся очень рано и пошёл гулять вдоль реки, было тихо и холодно"}, "blocked: the text "},
		{event.Event{Kind: 1, Content: "Heute früh bin ich am Fluss spazieren gegangen, es war kalt und niemand war unterwegs."}, ""},
		{event.Event{Kind: 1, Content: "my casino is open"}, "blocked: no casinos here"},
		{event.Event{Kind: 7, Content: "+", Tags: []event.Tag{{"e", strings.Repeat("a", 64)}, {"p", guest.Hex()}}}, "restricted: only certain people may write here"},
		{event.Event{Kind: 7, Content: "+", Tags: []event.Tag{{"e", strings.Repeat("a", 64)}, {"p", member.Hex()}}}, ""},
		{event.Event{Kind: 9735, Tags: []event.Tag{{"p", member.Hex()}, {"bolt11", "lnbc1"}, {"description", "thanks"}}}, "invalid: the tag \"description\" has the value \"thanks\", which is not a JSON object"},
		{event.Event{Kind: 9735, Tags: []event.Tag{{"p", member.Hex()}, {"bolt11", "lnbc1"}, {"description", request}}}, ""},
	} {
		e := guest.Sign(t, x.e)
		switch ok := c.Send(t, e); {
		case x.want == "" && !ok.OK:
			t.Errorf("%s was refused: %s", e.Raw, ok.Text)
		case x.want != "" && (ok.OK || !strings.HasPrefix(ok.Text, x.want)):
			t.Errorf("%s: OK %v %q, want %q", e.Raw, ok.OK, ok.Text, x.want)
		}
	}
	c.Accepted(t, member.Note(t, "a casino has opened in town"))

	// The same advertisement from one key after the other takes more and more
	// work, and says how much; with that work it comes in.
	const pitch = "Get your discounted widgets while they last, shipped to every corner of the world"
	c.Accepted(t, relaytest.NewKey(40).Note(t, pitch+" 1"))
	bits := 0
	for n := range byte(3) {
		k := relaytest.NewKey(41 + n)
		e := event.Event{Kind: 1, Content: fmt.Sprint(pitch, " ", 2+n)}
		ok := c.Send(t, k.Sign(t, e))
		var others, want int
		if _, err := fmt.Sscanf(ok.Text, "pow: this looks like spam: %d others have sent nearly the same text lately", &others); n > 0 && err != nil {
			t.Fatalf("copy %d is told %q", n, ok.Text)
		}
		if _, after, found := strings.Cut(ok.Text, "; with "); found {
			fmt.Sscanf(after, "%d bits of proof of work", &want)
		}
		if want < bits || n > 0 && want == 0 {
			t.Errorf("copy %d is asked for %d bits, after %d: %q", n, want, bits, ok.Text)
		}
		bits = want
		if bits > 0 && bits < 16 {
			c.Accepted(t, mined(t, k, bits, e))
		}
	}
}

// Whatever a plugin does, clients are answered, and reads go on.
func TestBadPluginsAreContainedThroughTheSocket(t *testing.T) {
	alice := relaytest.NewKey(1)
	for what, command := range map[string]string{
		"hangs":  "sleep 60 & wait",
		"dies":   "read line; exit 1",
		"lies":   `while read line; do echo '{"id":"0000","action":"accept"}'; done`,
		"floods": "while :; do echo flood; echo flood >&2; done",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := serveIn(t, t.TempDir(), "--config", writeConfig(t, fmt.Sprintf(
				"[[policy]]\nuse = \"plugin\"\ncommand = %q\ntimeout = \"300ms\"\nonly = { pubkeys = [%q] }\n", command+" #", alice.Hex())))
			c := relaytest.Dial(t, s.URL)
			for n := range 5 {
				c.Publish(t, alice.Note(t, fmt.Sprint("note ", n)))
			}
			other := relaytest.Dial(t, s.URL)
			other.Accepted(t, relaytest.NewKey(2).Note(t, "not asked about"))
			if got := other.Query(t, `{"kinds":[1]}`); len(got) != 1 {
				t.Errorf("%d events are shown, want the one that the plugin is not asked about", len(got))
			}
			for range 5 {
				if r := c.Hear(t, wire.OK); r.OK || !strings.HasPrefix(r.Text, "error: a check that this relay makes does not answer") {
					t.Errorf("OK %v %q", r.OK, r.Text)
				}
			}
			n := 5
			relaytest.Eventually(t, "it is started again", func() bool { // a program that has not begun yet does not hang
				if s.logged("plugin ended, it is started again") != nil {
					return true
				}
				c.Refused(t, alice.Note(t, fmt.Sprint("note ", n)), "error: ")
				n++
				return false
			})
		})
	}
}
