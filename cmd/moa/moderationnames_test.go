package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"moa/relay/relaytest"
)

// Whom older reports have refused is logged when it begins: at a reload with another
// number of reporters, and at a start.
func TestWhomOlderReportsRefuseIsLogged(t *testing.T) {
	m := serveModerated(t, "")
	spammer := relaytest.NewKey(21)
	c := relaytest.Dial(t, m.URL)
	c.Accepted(t, reportOf(t, relaytest.NewKey(1), spammer, "spam", nil), spammer.Note(t, "hello"))
	m.open(t, 1)
	text, err := os.ReadFile(m.config)
	mustDo(t, err)
	mustDo(t, os.WriteFile(m.config, []byte(strings.Replace(string(text), "reporters", "after = 1\nreporters", 1)), 0o600))
	m.Signal(t, syscall.SIGHUP)
	const line = "authors are refused, for trusted people have reported them"
	logged := func() {
		t.Helper()
		if entry := m.waitFor(t, line); entry["authors"] != 1.0 || fmt.Sprint(entry["first"]) != "["+spammer.Hex()+"]" {
			t.Errorf("it logs %v", entry)
		}
	}
	logged()
	c.Refused(t, spammer.Note(t, "again"), "blocked: ")
	m.again(t)
	logged()
	m.do(t, "dismiss", spammer.Hex())
	m.again(t)
	m.open(t, 0)
	if m.logged(line) != nil {
		t.Error("a dismissed author is logged")
	}
}

// An event is named as people paste it.
func TestEventsAreNamedAsPeoplePasteThem(t *testing.T) {
	m := serveModerated(t, "")
	const id = "4cd665db042864ee600ee976d6cfcc7c5ce743859462f94a347cd970d88a5f3b"
	for verb, name := range map[string]string{
		"hide":   "note1fntxtkcy9pjwucqwa9mddn7v03wwwsu9j330jj350nvhpky2tuaspk6nqc",
		"delete": "nostr:nevent1qyfhwumn8ghj7un9d3shjtn90psk6urvv5qzqnxkvhdsg2ryaesqa6tk6m8uclzuuapct9rzl99rglxewrvg5hemqgsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8grqsqqqqqp4z0k6m",
	} {
		if said := m.do(t, verb, name); said != "no such event is stored; it is refused if it comes\n" {
			t.Errorf("%s says %q", verb, said)
		}
		if decisions := m.do(t, "decisions"); !strings.Contains(decisions, fmt.Sprintf("%-7s  %s", verb, id)) {
			t.Errorf("after %s the decisions are\n%s", verb, decisions)
		}
		m.do(t, "undo", name)
		if decisions := m.do(t, "decisions"); decisions != "nothing is decided\n" {
			t.Errorf("after undo the decisions are\n%s", decisions)
		}
		if _, stderr, code := run(t, "", "policy", "explain", "--data", m.data, name); code != 1 || !strings.Contains(stderr, "there is no event "+id) {
			t.Errorf("explain: exit code %d: %s", code, stderr)
		}
	}
}

// That an event is stored is told from that it is not, though it is hidden already.
func TestHideSaysWhetherTheEventIsStored(t *testing.T) {
	m := serveModerated(t, "")
	note := relaytest.NewKey(9).Note(t, "hello")
	const hidden, unknown = "the event is hidden, and refused if it comes again\n", "no such event is stored; it is refused if it comes\n"
	if said := m.do(t, "hide", note.ID.String()); said != unknown {
		t.Errorf("before the event has come hide says %q", said)
	}
	c := relaytest.Dial(t, m.URL)
	c.Refused(t, note, "blocked: ")
	m.do(t, "undo", note.ID.String())
	c.Accepted(t, note)
	for range 2 {
		if said := m.do(t, "hide", note.ID.String()); said != hidden {
			t.Errorf("of a stored event hide says %q", said)
		}
	}
}
