package nip62_test

import (
	"errors"
	"testing"

	"moa/nips/event"
	"moa/nips/nip62"
	"moa/nips/relayurl"
)

func TestAddressed(t *testing.T) {
	here, err := relayurl.Parse("wss://relay.example.com/inbox")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		tags []event.Tag
		want bool
		err  error
	}{
		{"NIP62.1 ours", []event.Tag{{"relay", "wss://Relay.example.com:443/inbox/"}}, true, nil},
		{"NIP62.1 all", []event.Tag{{"relay", "ALL_RELAYS"}}, true, nil},
		{"NIP62.1 all, other case", []event.Tag{{"relay", "all_relays"}}, false, nil},
		{"NIP62.1 the second one", []event.Tag{{"relay", "wss://other.example.com"}, {"relay", "wss://relay.example.com/inbox"}}, true, nil},
		{"NIP62.2 another relay", []event.Tag{{"relay", "wss://other.example.com"}}, false, nil},
		{"NIP62.2 another path", []event.Tag{{"relay", "wss://relay.example.com"}}, false, nil},
		{"NIP62.2 no value", []event.Tag{{"relay"}}, false, nil},
		{"NIP62.2 no relay tag", []event.Tag{{"p", "x"}}, false, nip62.ErrNoRelay},
		{"NIP62.2 no tags", nil, false, nip62.ErrNoRelay},
	} {
		got, err := nip62.Addressed(&event.Event{Kind: event.KindVanish, Tags: c.tags}, func(l relayurl.Location) bool { return l == here })
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}
