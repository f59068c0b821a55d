package moderation

import (
	"testing"

	"moa/nips/event"
	"moa/policy/policytest"
)

// NIP56.3: what is wrong is the third element of the tag that names what it is about: an
// author, an event, or a file.
func TestNIP56WhatIsWrongIsInTheTagThatNamesIt(t *testing.T) {
	who, hash := author(1), "b1674191a88ec5cdd733e4240a81803105dc412d6c6708d53ab94fc248f4f553"
	id := policytest.Event(event.Event{Kind: 1}).ID
	for _, c := range []struct {
		name string
		tags []event.Tag
		what string // "": it is no report about anybody
		id   event.ID
	}{
		{"an author", []event.Tag{{"p", who.String(), "impersonation"}}, "impersonation", event.ID{}},
		{"an event", []event.Tag{{"e", id.String(), "illegal"}, {"p", who.String()}}, "illegal", id},
		{"a file", []event.Tag{{"x", hash, "malware"}, {"p", who.String()}}, "malware", event.ID{}},
		{"a file of an event", []event.Tag{{"x", hash, "malware"}, {"e", id.String(), "malware"}, {"p", who.String()}}, "malware", id},
		{"a file, and the server that has it", []event.Tag{{"p", who.String()}, {"x", hash, "nudity"}, {"server", "https://files.example/x", "spam"}}, "nudity", event.ID{}},
		{"in another tag", []event.Tag{{"p", who.String()}, {"l", "hateful", "spam"}}, "other", event.ID{}},
		{"a word that is none", []event.Tag{{"p", who.String(), "boring"}}, "other", event.ID{}},
		{"no word", []event.Tag{{"p", who.String()}, {"x"}, {"e"}}, "other", event.ID{}},
		{"nobody", []event.Tag{{"x", hash, "malware"}}, "", event.ID{}},
	} {
		r, ok := readReport(policytest.Event(event.Event{Kind: event.KindReport, PubKey: policytest.Key(1), Tags: c.tags}))
		if ok != (c.what != "") || ok && (r.author != who || r.what != c.what || r.event != c.id) {
			t.Errorf("%s: %+v %v", c.name, r, ok)
		}
	}
}
