package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/relay/relaytest"
)

// What is acknowledged waits after kill -9, and an operator decides about it from the
// shell.
func TestNewcomersWaitForTheOperator(t *testing.T) {
	m := &moderatedRelay{data: filepath.Join(t.TempDir(), "data"), config: writeConfig(t, "[[policy]]\nuse = \"approval\"\n")}
	m.server = serveIn(t, m.data, "--config", m.config)
	newcomer, other := relaytest.NewKey(20), relaytest.NewKey(21)
	one, two, spam := newcomer.Note(t, "hello \x1b[31mred"), newcomer.Note(t, "two"), other.Note(t, "buy this")
	c := relaytest.Dial(t, m.URL)
	c.Accepted(t, one, two, spam)
	m.again(t)
	c = relaytest.Dial(t, m.URL)
	if got := c.Stored(t, "live", `{"kinds":[1]}`); len(got) != 0 {
		t.Errorf("what waits is shown: %v", got)
	}
	said := m.do(t, "waiting")
	for _, want := range []string{one.ID.String() + " kind 1 of ", ", by " + nip19.Npub(newcomer.PubKey) + ", waits until 2", `hello \x1b[31mred`, "buy this"} {
		if !strings.Contains(said, want) {
			t.Errorf("waiting does not say %q:\n%s", want, said)
		}
	}
	if n := metric(t, m.URL, "moa_moderation_waiting"); n != "3" {
		t.Errorf("the metric says %s", n)
	}
	if said := m.do(t, "delete", spam.ID.String()); said != "the event is refused if it comes again; 1 event was removed\n" {
		t.Errorf("delete says %q", said)
	}
	c.Refused(t, spam, "blocked: ")
	if said := m.do(t, "approve", one.ID.String(), "--note", "a friend"); said != "the author is approved, and what of theirs waited is stored\n" {
		t.Errorf("approve says %q", said)
	}
	for range 2 {
		c.Event(t, "live")
	}
	c.Accepted(t, newcomer.Note(t, "three"))
	c.Event(t, "live")
	if said := m.do(t, "waiting"); said != "nothing waits for approval\n" {
		t.Errorf("afterwards: %q", said)
	}
	if said := m.do(t, "decisions"); !strings.Contains(said, "approve  "+nip19.Npub(newcomer.PubKey)+"  (a friend)\n") {
		t.Errorf("decisions says\n%s", said)
	}
	if said := m.do(t, "log", "--event", one.ID.String()); !strings.Contains(said, "approve event") {
		t.Errorf("log says\n%s", said)
	}
	m.again(t)
	c = relaytest.Dial(t, m.URL)
	c.Accepted(t, newcomer.Note(t, "four"))
	if got := c.Query(t, `{"kinds":[1]}`); len(got) != 4 {
		t.Errorf("%d events are stored", len(got))
	}
	m.do(t, "undo", nip19.Npub(newcomer.PubKey))
	five := newcomer.Note(t, "five")
	c.Accepted(t, five)
	var list []waits
	mustDo(t, json.Unmarshal([]byte(m.do(t, "waiting", "--json")), &list))
	if len(list) != 1 {
		t.Fatalf("as JSON: %v", list)
	}
	if e, err := event.Parse(list[0].Event); err != nil || e.ID != five.ID || list[0].Until <= list[0].Since {
		t.Errorf("as JSON: %v, %v", list, err)
	}
	m.do(t, "approve", newcomer.Hex())
	if got := c.Query(t, `{"kinds":[1]}`); len(got) != 5 {
		t.Errorf("%d events are stored", len(got))
	}
}
