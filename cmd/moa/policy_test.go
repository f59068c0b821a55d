package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/policy/builtin"
	"moa/policy/trial"
	"moa/relay/relaytest"
)

// trialConfig refuses kind 7, would refuse long notes, and takes two notes an
// hour from an author.
const trialConfig = `
[[policy]]
use = "kinds"
deny = "7"
[[policy]]
use = "limits"
mode = "observe"
content = 20
[[policy]]
use = "rate"
by = ["pubkey"]
count = 2
interval = "1h"
`

// trialEvents are four notes half an hour apart, the newest first as in an
// export, one of them long, a reaction, and a request to vanish.
func trialEvents(t *testing.T) []*event.Event {
	t.Helper()
	alice := relaytest.NewKey(1)
	at := func(minute int64, kind uint16, text string) *event.Event {
		return alice.Sign(t, event.Event{Kind: kind, CreatedAt: 1_700_000_000 + 60*minute, Content: text, Tags: []event.Tag{{"relay", "ALL_RELAYS"}}})
	}
	return []*event.Event{
		at(100, 62, "forget me"), at(90, 1, "the fourth note, which is long"), at(60, 1, "three"), at(50, 7, "+"), at(30, 1, "two"), at(0, 1, "one"),
	}
}

func TestPolicyTestCountsWhatEachPolicyDoes(t *testing.T) {
	config := writeConfig(t, trialConfig)
	events := trialEvents(t)
	text := jsonl(events) + "not json\n" + strings.Replace(jsonl(events[1:2]), `"sig":"`, `"sig":"00`, 1)
	forged := *events[1]
	forged.Sig[0] ^= 1
	path := file(t, "events.jsonl", text+string(forged.Append(nil))+"\n")

	var r trial.Writes
	stdout, _ := good(t, "policy", "test", "--config", config, "--json", path)
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if r.Events != 6 || r.Fates["accept"] != 4 || r.Fates["reject"] != 1 || r.Fates[trial.Unasked] != 1 {
		t.Errorf("%d events: %v", r.Events, r.Fates)
	}
	if r.Broken["malformed"] != 2 || r.Broken["bad signature"] != 1 {
		t.Errorf("broken: %v", r.Broken)
	}
	got := map[string]string{}
	for _, p := range r.Policies {
		for _, v := range p.Verdicts {
			got[p.Name] += fmt.Sprintf("%s %s %s %d %s", p.Mode, v.Action, v.Reason, v.Events, v.Examples[0].ID)
		}
	}
	if want := "enforce reject blocked 1 " + events[3].ID.String(); got["kinds"] != want {
		t.Errorf("kinds: %q, want %q", got["kinds"], want)
	}
	if want := "observe reject blocked 1 " + events[1].ID.String(); got["limits"] != want {
		t.Errorf("limits: %q, want %q", got["limits"], want)
	}
	if got["rate"] != "" {
		t.Errorf("rate: %q, though the notes are half an hour apart", got["rate"])
	}

	stdout, _ = good(t, "policy", "test", "--config", config, "--clock", "now", path)
	for _, want := range []string{
		"6 events of " + path, "limits           would refuse: blocked", "rate             refuses: rate-limited",
		events[3].ID.String() + " kind 7  events of kind 7 are not accepted here", "1 line left out: bad signature", "accepted",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("does not say %q:\n%s", want, stdout)
		}
	}
}

func TestPolicyTestReadsAStoreAndARelay(t *testing.T) {
	config, data := writeConfig(t, trialConfig), t.TempDir()+"/data"
	_, stderr, code := run(t, "", "policy", "test", "--config", config, "--data", data)
	if code != 2 || !strings.Contains(stderr, "there is no store in "+data) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	events := trialEvents(t)[1:]
	good(t, "import", "--data", data, file(t, "events.jsonl", jsonl(events)))
	says := func(args ...string) {
		t.Helper()
		stdout, _ := good(t, append([]string{"policy", "test", "--config", config, "--filter", `{"kinds":[7]}`}, args...)...)
		if !strings.Contains(stdout, "1 event of ") || !strings.Contains(stdout, events[2].ID.String()) {
			t.Errorf("%v says\n%s", args, stdout)
		}
		stdout, _ = good(t, append([]string{"policy", "explain", "--config", config, events[2].ID.String()}, args...)...)
		if !strings.Contains(stdout, "> kinds            refuses: blocked: events of kind 7") {
			t.Errorf("%v explains\n%s", args, stdout)
		}
	}
	says("--data", data)
	s := serveIn(t, data)
	says("--relay", s.URL)
}

func TestPolicyTestTakesListsFromTheEvents(t *testing.T) {
	root, friend, stranger := relaytest.NewKey(1), relaytest.NewKey(2), relaytest.NewKey(3)
	config := writeConfig(t, "[[policy]]\nuse = \"allow\"\npubkeys = [\""+root.Hex()+"\"]\nfollows_of = [\""+root.Hex()+"\"]\n")
	path := file(t, "events.jsonl", jsonl([]*event.Event{
		root.Sign(t, event.Event{Kind: 3, CreatedAt: 2, Tags: []event.Tag{{"p", friend.Hex()}}}),
		root.Sign(t, event.Event{Kind: 3, CreatedAt: 1, Tags: []event.Tag{{"p", stranger.Hex()}}}), // replaced
		friend.Note(t, "hello"), stranger.Note(t, "hello"),
	}))
	stdout, _ := good(t, "policy", "test", "--config", config, path)
	if !strings.Contains(stdout, "allow            refuses: restricted                 1   25.0%") {
		t.Errorf("said\n%s", stdout)
	}
}

func TestPolicyExplainNamesEveryPolicy(t *testing.T) {
	alice := relaytest.NewKey(1)
	config := writeConfig(t, trialConfig+"[[policy]]\nuse = \"auth\"\n[[policy]]\nuse = \"deny\"\nname = \"others\"\npubkeys = [\""+alice.Hex()+"\"]\nunless = { pubkeys = [\""+alice.Hex()+"\"] }\n[[policy]]\nuse = \"moderation\"\nreporters = { pubkeys = [\""+alice.Hex()+"\"] }\n")
	reaction := trialEvents(t)[3]
	for _, args := range [][]string{{string(reaction.Raw)}, {file(t, "event.json", string(reaction.Raw)+"\n")}} {
		stdout, stderr := good(t, append([]string{"policy", "explain", "--config", config}, args...)...)
		if stderr != "" {
			t.Errorf("it warns: %s", stderr)
		}
		for _, want := range []string{
			"event " + reaction.ID.String() + ", kind 7, of 2023-11-14T23:03:20Z", "  private          accepts\n",
			"> kinds            refuses: blocked: events of kind 7 are not accepted here", "  limits           accepts\n",
			"  auth             accepts\n", "  others           is not asked about these people\n",
			"the client is told:\nblocked: events of kind 7 are not accepted here",
		} {
			if !strings.Contains(stdout, want) {
				t.Errorf("does not say %q:\n%s", want, stdout)
			}
		}
	}
	long := alice.Note(t, strings.Repeat("long ", 10))
	stdout, stderr, code := run(t, string(long.Raw), "policy", "explain", "--config", config, "--stranger", "-")
	if code != 0 || !strings.Contains(stdout, "  limits           would refuse: blocked: ") || !strings.Contains(stdout, "> auth             refuses: auth-required: ") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	forged := *long
	forged.Sig[0] ^= 1
	if stdout, _ := good(t, "policy", "explain", string(forged.Append(nil))); !strings.Contains(stdout, "its signature does not hold") {
		t.Errorf("of a forged event it says\n%s", stdout)
	}
	for _, bad := range [][]string{{}, {`{"id":1}`}, {`[{},{}]`}, {"/nowhere.json"}, {"--clock", "then", "{}"}, {"--ip", "here", "{}"}, {"--as", "me", "{}"}, {"--stranger", "--as", alice.Hex(), "{}"}} {
		if _, _, code := run(t, "", append([]string{"policy", "explain"}, bad...)...); code != 2 {
			t.Errorf("%v: exit code %d", bad, code)
		}
	}
}

// An operator asks at 3 a.m., while the relay runs: what is banned, the lists of people in
// the store and the events there count as they do for the relay.
func TestPolicyExplainOfARelayThatRuns(t *testing.T) {
	root, friend, banned := relaytest.NewKey(1), relaytest.NewKey(2), relaytest.NewKey(3)
	config := writeConfig(t, "[[policy]]\nuse = \"allow\"\npubkeys = [\""+root.Hex()+"\"]\nfollows_of = [\""+root.Hex()+"\"]\n")
	data := filepath.Join(t.TempDir(), "data")
	s := serveIn(t, data, "--config", config)
	c := relaytest.Dial(t, s.URL)
	follows := root.Sign(t, event.Event{Kind: 3, Tags: []event.Tag{{"p", friend.Hex()}, {"p", banned.Hex()}}})
	message := root.Sign(t, event.Event{Kind: 4, Content: "x", Tags: []event.Tag{{"p", friend.Hex()}}}) // which --relay would not show
	c.Accepted(t, follows, message)
	relaytest.Eventually(t, "the follow list counts", func() bool { return c.Send(t, friend.Note(t, "hello")).OK })
	good(t, "moderation", "ban", "--data", data, banned.Hex())
	check := func(when string) {
		t.Helper()
		for _, ask := range []struct{ what, want string }{
			{string(friend.Note(t, "again").Raw), "\naccepted\n"},
			{string(banned.Note(t, "again").Raw), "refused because of moderation; the client is told:\nblocked: the operator of this relay has banned the author"},
			{file(t, "event.json", string(banned.Note(t, "again").Raw)), "refused because of moderation"},
			{string(relaytest.NewKey(4).Note(t, "hello").Raw), "refused because of allow"},
			{message.ID.String(), "\naccepted\n"},
		} {
			stdout, stderr := good(t, "policy", "explain", "--config", config, "--data", data, ask.what)
			if !strings.Contains(stdout, ask.want) || stderr != "" {
				t.Errorf("%s: does not say %q of %s:\n%s%s", when, ask.want, ask.what, stdout, stderr)
			}
		}
	}
	check("while it runs")
	s.stop(t)
	check("once it is stopped")
	if _, stderr, code := run(t, "", "policy", "explain", "--data", t.TempDir(), string(follows.Raw)); code != 2 || !strings.Contains(stderr, "there is no store in ") {
		t.Errorf("of a folder without a store: exit code %d: %s", code, stderr)
	}
}

func TestPolicyListAndShowKnowEveryPolicy(t *testing.T) {
	list, _ := good(t, "policy", "list")
	if n := strings.Count(list, "\n"); n != len(builtin.Names()) {
		t.Errorf("%d lines for %d policies", n, len(builtin.Names()))
	}
	for _, name := range []string{"limits", "times", "shape"} { // whose defaults are a whole table
		text, _ := good(t, "policy", "show", name)
		var set strings.Builder // all keys set to their defaults
		for line := range strings.Lines(text) {
			if key, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(key, " ") && !strings.HasPrefix(key, "only") && !strings.HasPrefix(key, "unless") {
				line = key
			}
			set.WriteString(line)
		}
		if !strings.Contains(text, "#mode = \"enforce\"\n") {
			t.Errorf("%s has no mode:\n%s", name, text)
		}
		for _, config := range []string{text, set.String()} {
			if _, stderr, code := run(t, "", "check-config", writeConfig(t, config)); code != 0 {
				t.Errorf("%s: %s\n%s", name, stderr, config)
			}
		}
	}
	if _, stderr, code := run(t, "", "policy", "show", "nothing"); code != 2 || !strings.Contains(stderr, "geo, kinds") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
