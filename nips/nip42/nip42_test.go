package nip42_test

import (
	"math"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip42"
	"moa/nips/relayurl"
)

func TestChallengesDiffer(t *testing.T) {
	a, b := nip42.NewChallenge(), nip42.NewChallenge()
	if a == b || len(a) != 32 {
		t.Errorf("%q, %q", a, b)
	}
}

func TestValidate(t *testing.T) {
	const now = 1_700_000_000
	here, err := relayurl.Parse("wss://relay.example.com/")
	if err != nil {
		t.Fatal(err)
	}
	answer := func(change func(e *event.Event)) error {
		e := &event.Event{Kind: event.KindAuth, CreatedAt: now, Tags: []event.Tag{
			{"relay", "wss://relay.example.com"}, {"challenge", "c"},
		}}
		change(e)
		return nip42.Validate(e, "c", func(l relayurl.Location) bool { return l.Host == here.Host }, time.Unix(now, 0))
	}
	relay := func(url string) func(*event.Event) {
		return func(e *event.Event) { e.Tags[0] = event.Tag{"relay", url} }
	}
	at := func(t int64) func(*event.Event) { return func(e *event.Event) { e.CreatedAt = t } }
	for _, c := range []struct {
		name   string
		ok     bool
		change func(e *event.Event)
	}{
		{"NIP42.3 as is", true, func(*event.Event) {}},
		{"NIP42.3 kind", false, func(e *event.Event) { e.Kind = 22243 }},
		{"NIP42.3 ten minutes ago", true, at(now - 600)},
		{"NIP42.3 longer ago", false, at(now - 601)},
		{"NIP42.3 ten minutes ahead", true, at(now + 600)},
		{"NIP42.3 further ahead", false, at(now + 601)},
		{"NIP42.3 year 0", false, at(0)},
		{"NIP42.3 the end of time", false, at(math.MaxInt64)},
		{"NIP42.3 other challenge", false, func(e *event.Event) { e.Tags[1] = event.Tag{"challenge", "d"} }},
		{"NIP42.3 challenge without value", false, func(e *event.Event) { e.Tags[1] = event.Tag{"challenge"} }},
		{"NIP42.3 no tags", false, func(e *event.Event) { e.Tags = nil }},
		{"NIP42.3 trailing slash", true, relay("wss://relay.example.com/")},
		{"NIP42.3 case", true, relay("WSS://Relay.Example.com")},
		{"NIP42.3 port", true, relay("wss://relay.example.com:443")},
		{"NIP42.3 ws", true, relay("ws://relay.example.com")},
		{"NIP42.9 other host", false, relay("wss://inbox.example.com")},
		{"NIP42.9 longer host", false, relay("wss://relay.example.com.evil.org")},
		{"NIP42.9 host as user", false, relay("wss://relay.example.com@evil.org")},
		{"NIP42.3 no URL", false, relay("")},
	} {
		if err := answer(c.change); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNoChallengeNoAnswer(t *testing.T) {
	here, _ := relayurl.Parse("relay.example.com")
	e := &event.Event{Kind: event.KindAuth, Tags: []event.Tag{{"relay", "relay.example.com"}, {"challenge", ""}}}
	if nip42.Validate(e, "", func(l relayurl.Location) bool { return l.Host == here.Host }, time.Unix(0, 0)) == nil {
		t.Error("an empty challenge was answered before one was given")
	}
}
