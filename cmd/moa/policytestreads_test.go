package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/policy/trial"
	"moa/relay/relaytest"
)

// readConfig keeps messages to the people involved, as every chain does,
// articles to alice, and would refuse everything to clients that have not authenticated.
func readConfig(t *testing.T, alice relaytest.Key) string {
	t.Helper()
	return writeConfig(t, "[limits]\nlimit = 3\ndefault_limit = 3\n[[policy]]\nuse = \"readers\"\nkinds = \"30023\"\npubkeys = [\""+alice.Hex()+"\"]\n[[policy]]\nuse = \"auth\"\nmode = \"observe\"\n")
}

// said is what the policy of that name said.
func said(r *trial.Reads, name string) *trial.PolicyReads {
	return r.Policies[slices.IndexFunc(r.Policies, func(p *trial.PolicyReads) bool { return p.Name == name })]
}

func TestPolicyTestTriesReading(t *testing.T) {
	alice, bob, carol := relaytest.NewKey(1), relaytest.NewKey(2), relaytest.NewKey(3)
	config := readConfig(t, alice)
	events := []*event.Event{
		bob.Sign(t, event.Event{Kind: 4, Content: "to carol", Tags: []event.Tag{{"p", carol.Hex()}}}),
		bob.Sign(t, event.Event{Kind: 30023, Content: "an article", Tags: []event.Tag{{"d", "a"}}}),
		bob.Note(t, "one"), bob.Note(t, "two"), bob.Note(t, "three"), bob.Note(t, "four"),
	}
	captured := file(t, "log.jsonl", `["REQ","feed",{"kinds":[1]}]
{"kinds":[30023]}
[{"authors":["`+bob.Hex()+`"],"kinds":[4,30023]}]
["COUNT","n",{"authors":["`+bob.Hex()+`"]}]
["CLOSE","feed"]
["REQ","feed",{"kinds":[4]}]
nonsense
`)
	source := [][]string{{file(t, "events.jsonl", jsonl(events))}}
	data := t.TempDir() + "/data"
	good(t, "import", "--data", data, source[0][0])
	source = append(source, []string{"--data", data})
	for _, args := range source {
		ask := func(who ...string) (r trial.Reads) {
			t.Helper()
			stdout, _ := good(t, append(append([]string{"policy", "test", "--config", config, "--json", "--reads", captured}, who...), args...)...)
			if err := json.Unmarshal([]byte(stdout), &r); err != nil {
				t.Fatal(err)
			}
			return r
		}
		times := func(v *trial.ReadRefusals) int {
			if v == nil {
				return 0
			}
			return v.Times
		}
		// An unauthenticated client is refused articles and messages by name; among other
		// things they are hidden. Of four notes the relay's limit lets three out,
		// but COUNT counts four.
		r := ask()
		private, readers, auth := said(&r, "private"), said(&r, "readers"), said(&r, "auth")
		if r.Filters != 5 || r.Broken != 1 || r.Refused != 2 || r.Shown != 3+4 || r.Hidden != 2+2 {
			t.Errorf("%v: %+v", args, r)
		}
		if times(private.Filters) != 1 || times(private.Events) != 2 || times(readers.Filters) != 1 || times(readers.Events) != 2 || times(auth.Filters) != 3 {
			t.Errorf("%v: private %+v %+v, readers %+v %+v, auth %+v", args, private.Filters, private.Events, readers.Filters, readers.Events, auth.Filters)
		}
		if x := private.Filters.Examples[0]; x.What != `{"kinds":[4]}` || !strings.HasPrefix(x.Text, "auth-required: ") {
			t.Errorf("%v: %+v", args, x)
		}
		if x := readers.Events.Examples[0]; x.What != "kind 30023 "+events[1].ID.String() {
			t.Errorf("%v: %+v", args, x)
		}
		// Carol sees what was written to her, alice the article.
		if r := ask("--as", nip19.Npub(carol.PubKey)); r.Refused != 1 || r.Shown != 3+1+5+1 || times(said(&r, "auth").Filters) != 0 {
			t.Errorf("%v, carol: %+v", args, r)
		}
		if r := ask("--as", alice.Hex()); r.Refused != 0 || r.Shown != 3+1+1+5 {
			t.Errorf("%v, alice: %+v", args, r)
		}
	}
	stdout, _ := good(t, append([]string{"policy", "test", "--config", config, "--reads", captured}, source[0]...)...)
	for _, want := range []string{
		"1 line left out: neither filters nor messages", "5 filters of " + captured + ", and what they find in ",
		"readers          refuses filters ", "readers          hides events ", "auth             would refuse filters", "filters answered", "events hidden",
		"\n    kind 4 " + events[0].ID.String(),
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("does not say %q:\n%s", want, stdout)
		}
	}
	t.Chdir(t.TempDir()) // where there is no store
	if stdout, _ := good(t, "policy", "test", "--config", config, "--reads", captured); !strings.Contains(stdout, "5 filters of "+captured+"\n") {
		t.Errorf("without events it says\n%s", stdout)
	}
}

// What is said of a trial is what the relay does.
func TestPolicyTestOfReadsIsWhatTheRelayDoes(t *testing.T) {
	alice, bob := relaytest.NewKey(1), relaytest.NewKey(2)
	config := readConfig(t, alice)
	s := serveIn(t, t.TempDir(), "--config", config)
	c := relaytest.Dial(t, s.URL)
	article := bob.Sign(t, event.Event{Kind: 30023, Tags: []event.Tag{{"d", "a"}}})
	c.Accepted(t, article, bob.Note(t, "a note"))
	for filter, shown := range map[string]int{`{}`: 1, `{"authors":["` + bob.Hex() + `"],"limit":1}`: 1, `{"kinds":[1,30023]}`: 1, `{"kinds":[1]}`: 1} {
		stdout, _ := good(t, "policy", "test", "--config", config, "--json", "--reads", file(t, "f.jsonl", filter), file(t, "e.jsonl", jsonl([]*event.Event{article, bob.Note(t, "a note")})))
		var r trial.Reads
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatal(err)
		}
		if got := len(c.Query(t, filter)); got != shown || r.Shown != shown {
			t.Errorf("%s: the relay shows %d, the trial %d, want %d", filter, got, r.Shown, shown)
		}
	}
}

func TestPolicyExplainTellsWhoMayRead(t *testing.T) {
	alice, bob := relaytest.NewKey(1), relaytest.NewKey(2)
	config := readConfig(t, alice)
	article := string(bob.Sign(t, event.Event{Kind: 30023, Tags: []event.Tag{{"d", "a"}}}).Raw)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{`{"kinds":[30023]}`}, []string{"filter {\"kinds\":[30023]}\nasked by a client that has not authenticated", "  private          accepts\n", "> readers          refuses: auth-required: ", "  auth             would refuse: auth-required: ", "the client is told:\nauth-required: "}},
		{[]string{`["COUNT","n",{"kinds":[30023]}]`, "--as", alice.Hex()}, []string{"asked by [" + alice.Hex() + "]", "  readers          accepts\n", "answered, without the events that policies hide"}},
		{[]string{article, "--read"}, []string{", kind 30023, of ", "> readers          hides\n", "hidden because of readers"}},
		{[]string{article, "--read", "--as", alice.Hex()}, []string{"  readers          shows\n", "\nshown\n"}},
		{[]string{string(bob.Note(t, "hello").Raw), "--read"}, []string{"no policy has a say in it", "\nshown\n"}},
	} {
		args := append([]string{"policy", "explain", "--config", config}, c.args[1:]...)
		stdout, _ := good(t, append(args, c.args[0])...)
		for _, want := range c.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%v: does not say %q:\n%s", c.args[1:], want, stdout)
			}
		}
	}
}
