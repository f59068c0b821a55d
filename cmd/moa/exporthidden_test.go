package main

import (
	"path/filepath"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/relay/relaytest"
)

// An export from a running relay is a client's, which sees what it may. Only --all, on
// the machine of the relay, takes everything; and so does the store of a relay that does
// not run.
func TestAnExportFromARelayShowsWhatAClientMaySee(t *testing.T) {
	member, author, hidden := relaytest.NewKey(1), relaytest.NewKey(2), relaytest.NewKey(3)
	m := &moderatedRelay{data: filepath.Join(t.TempDir(), "data")}
	m.config = writeConfig(t, "[[policy]]\nuse = \"readers\"\nkinds = \"30023\"\npubkeys = [\""+member.Hex()+"\"]\n")
	m.server = serveIn(t, m.data, "--config", m.config)
	c := relaytest.Dial(t, m.URL)
	bad := author.Note(t, "hidden event")
	c.Accepted(t, author.Note(t, "for everybody"), bad, hidden.Note(t, "hidden author"),
		author.Sign(t, event.Event{Kind: 30023, Content: "for members", Tags: []event.Tag{{"d", "x"}}}),
		author.Sign(t, event.Event{Kind: 1059, Content: "for one", Tags: []event.Tag{{"p", member.Hex()}}}))
	m.do(t, "hide", bad.ID.String())
	m.do(t, "ban", "--hide", hidden.Hex())
	holds := func(how, out string, withheld bool) {
		t.Helper()
		if !strings.Contains(out, "for everybody") {
			t.Errorf("%s leaves out what everybody may see", how)
		}
		for _, secret := range []string{"hidden event", "hidden author", "for members", "for one"} {
			if strings.Contains(out, secret) == withheld {
				t.Errorf("%s of what is %s: withheld %v", how, secret, !withheld)
			}
		}
	}
	seen, _ := good(t, "export", "--relay", m.URL)
	holds("--relay", seen, true)
	all, _ := good(t, "export", "--all", "--data", m.data)
	holds("--all", all, false)
	trial, _ := good(t, "policy", "test", "--config", m.config, "--relay", m.URL)
	if strings.Contains(trial, bad.ID.String()) {
		t.Errorf("policy test names what is hidden:\n%s", trial)
	}
	m.Kill()
	stopped, _ := good(t, "export", "--data", m.data)
	holds("of a stopped relay", stopped, false)
}
