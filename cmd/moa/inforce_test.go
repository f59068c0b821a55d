package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"moa/relay/relaytest"
)

// reloading is a relay whose file the test rewrites.
type reloading struct {
	*server
	path string
}

func serveFile(t *testing.T, config string) *reloading {
	t.Helper()
	path := writeConfig(t, config)
	return &reloading{serveIn(t, t.TempDir(), "--config", path), path}
}

// rewrite puts another file in force and returns once it is, unless it waits.
func (r *reloading) rewrite(t *testing.T, name, config string) {
	t.Helper()
	text := "[info]\nname = \"" + name + "\"\n" + config
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Signal(t, syscall.SIGHUP)
}

func (r *reloading) inForce(t *testing.T, name string) {
	t.Helper()
	relaytest.Eventually(t, name+" is in force", func() bool { return relayName(t, r.URL) == name })
}

func TestSIGHUPLoadsListsBeforeTheyCount(t *testing.T) {
	alice, bob := relaytest.NewKey(1), relaytest.NewKey(2)
	answer, asked := make(chan struct{}), make(chan struct{}, 10)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		io.WriteString(w, alice.Hex())
	}))
	defer web.Close()
	s := serveFile(t, "")
	c := relaytest.Dial(t, s.URL)
	c.Accepted(t, bob.Note(t, "everybody may write"))

	members := "[[policy]]\nuse = \"allow\"\nurls = [\"" + web.URL + "\"]\n"
	s.rewrite(t, "members", members)
	<-asked
	c.Accepted(t, bob.Note(t, "the list is not there yet, so the old policies hold"))
	close(answer)
	s.inForce(t, "members")
	c.Accepted(t, alice.Note(t, "a member"))
	c.Refused(t, bob.Note(t, "no member"), "restricted: ")

	s.rewrite(t, "again", "[[policy]]\nuse = \"limits\"\n"+members)
	s.inForce(t, "again")
	c.Accepted(t, alice.Note(t, "still a member"))
	if n := len(asked); n != 0 {
		t.Errorf("the list was read %d times more, though its table is as it was", n)
	}
}

// The log says how many people are in a list that policies begin with, at the start and
// after a reload, once for however many policies.
func TestListsThatPoliciesBeginWithAreLogged(t *testing.T) {
	list := file(t, "members.txt", relaytest.NewKey(1).Hex()+"\n")
	table := func(about string) (text string) {
		for _, name := range []string{"one", "two", "three"} {
			text += "[[policy]]\nuse = \"allow\"\nname = \"" + name + "\"\nabout = \"" + about + "\"\nfiles = [\"" + list + "\"]\n"
		}
		return text
	}
	s := serveFile(t, table("1"))
	read := func(people float64) {
		t.Helper()
		relaytest.Eventually(t, fmt.Sprint(people, " people are read"), func() bool {
			said := s.logged("a list of people was read")
			return said["list"] == list && said["people"] == people
		})
	}
	read(1)
	if err := os.WriteFile(list, []byte(relaytest.NewKey(1).Hex()+"\n"+relaytest.NewKey(2).Hex()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.rewrite(t, "otherwise", table("7"))
	read(2)
	s.inForce(t, "otherwise")
	s.stop(t) // after which all have said what they had to say
	// On a busy machine a policy of before may begin to follow its list after the reload.
	before, after, _ := strings.Cut(s.lines(), `"people":2}`)
	if n, more := strings.Count(before, `"people":1}`), strings.Count(after, `"people":2}`); n != 1 || more != 0 {
		t.Errorf("one of before is logged %d times, two of after %d times:\n%s", n, 1+more, s.lines())
	}
}

func TestSIGHUPDoesNotForgetWhoSendsTooMuch(t *testing.T) {
	const table = "[[policy]]\nuse = \"rate\"\nby = [\"ip\"]\ncount = 2\ninterval = \"1h\"\nexempt_loopback = false\n"
	s := serveFile(t, table)
	c, alice := relaytest.Dial(t, s.URL), relaytest.NewKey(1)
	c.Accepted(t, alice.Note(t, "one"), alice.Note(t, "two"))
	c.Refused(t, alice.Note(t, "three"), "rate-limited: ")
	s.rewrite(t, "same", "[[policy]]\nuse = \"limits\"\n"+table)
	s.inForce(t, "same")
	c.Refused(t, alice.Note(t, "four"), "rate-limited: ")
	s.rewrite(t, "more", strings.Replace(table, "count = 2", "count = 3", 1))
	s.inForce(t, "more")
	c.Accepted(t, alice.Note(t, "five"))
}

func TestSIGHUPLetsAPluginAnswerAndLeavesItAloneIfItStays(t *testing.T) {
	dir := t.TempDir()
	started, gate := filepath.Join(dir, "started"), filepath.Join(dir, "gate")
	plugin := filepath.Join(dir, "plugin")
	text := fmt.Sprintf(`#!/bin/sh
echo start >>%s
while IFS= read -r line; do
	case "$line" in *'"content":"wait"'*)
		echo asked >>%[1]s
		while [ ! -e %[2]s ]; do sleep 0.02; done ;;
	esac
	id=$(printf '%%s' "$line" | sed 's/.*"event":{"id":"\([0-9a-f]*\)".*/\1/')
	printf '{"id":"%%s","action":"reject","msg":"blocked: by the plugin"}\n' "$id"
done
`, started, gate)
	// Close before exec: another test's fork may hold the file open for writing.
	syscall.ForkLock.RLock()
	err := os.WriteFile(plugin, []byte(text), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	log := func() string { text, _ := os.ReadFile(started); return string(text) }
	table := "[[policy]]\nuse = \"plugin\"\ntimeout = \"1m\"\ncommand = \"" + plugin + "\"\n"
	s := serveFile(t, table)
	alice := relaytest.NewKey(1)
	c, other := relaytest.Dial(t, s.URL), relaytest.Dial(t, s.URL)
	c.Refused(t, alice.Note(t, "hello"), "blocked: by the plugin")

	s.rewrite(t, "stays", "[[policy]]\nuse = \"limits\"\n"+table)
	s.inForce(t, "stays")
	c.Refused(t, alice.Note(t, "hello again"), "blocked: by the plugin")
	if got := log(); got != "start\n" {
		t.Errorf("the plugin was started again: %q", got)
	}

	wait := alice.Note(t, "wait")
	c.Publish(t, wait)
	relaytest.Eventually(t, "the plugin is asked", func() bool { return strings.HasSuffix(log(), "asked\n") })
	s.rewrite(t, "without", "")
	s.inForce(t, "without")
	other.Accepted(t, alice.Note(t, "no plugin any more"))
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ok := c.HearOK(t, wait.ID.String()); ok.Text != "blocked: by the plugin" {
		t.Errorf("the open question was answered %q", ok.Text)
	}
	c.Accepted(t, alice.Note(t, "the connection is the same"))
}

func TestPluginsAreInTheMetrics(t *testing.T) {
	s := serveFile(t, "[[policy]]\nuse = \"plugin\"\nname = \"dies\"\ncommand = \"exit 1 #\"\n")
	relaytest.Dial(t, s.URL).Refused(t, relaytest.NewKey(1).Note(t, "hello"), "error: ")
	relaytest.Eventually(t, "restarts and failures are counted", func() bool {
		res, err := http.Get("http" + strings.TrimPrefix(s.URL, "ws") + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return err == nil && !strings.Contains(string(text), `moa_plugin_restarts_total{policy="dies"} 0`) &&
			strings.Contains(string(text), `moa_plugin_restarts_total{policy="dies"} `) &&
			strings.Contains(string(text), `moa_plugin_unanswered_total{policy="dies"} 1`) &&
			strings.Contains(string(text), `moa_policy_verdicts_total{action="accept",mode="enforce",policy="private",stage="event"} 1`) &&
			strings.Contains(string(text), `moa_policy_verdicts_total{action="reject",mode="enforce",policy="dies",stage="event"} 1`)
	})
}
