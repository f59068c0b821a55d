package event_test

import (
	"strings"
	"testing"

	"moa/nips/event"
)

func TestParseAddress(t *testing.T) {
	pk := strings.Repeat("ab", 32)
	for _, c := range []struct {
		in   string
		ok   bool
		kind uint16
		d    string
	}{
		{"30023:" + pk + ":title", true, 30023, "title"},
		{"30023:" + pk + ":a:b::c", true, 30023, "a:b::c"},
		{"30023:" + pk + ":", true, 30023, ""},
		{"0:" + pk + ":", true, 0, ""},
		{"10002:" + pk + ":", true, 10002, ""},
		{"10002:" + pk, true, 10002, ""},
		{"30023:" + pk, false, 0, ""},
		{"10002:" + pk + ":d", false, 0, ""},
		{"1:" + pk + ":", false, 0, ""},
		{"20000:" + pk + ":", false, 0, ""},
		{"65536:" + pk + ":", false, 0, ""},
		{"95559:" + pk + ":x", false, 0, ""}, // 30023 + 65536
		{"030023:" + pk + ":x", false, 0, ""},
		{" 30023:" + pk + ":x", false, 0, ""},
		{"30023 :" + pk + ":x", false, 0, ""},
		{"-1:" + pk + ":x", false, 0, ""},
		{"30023:" + strings.ToUpper(pk) + ":x", false, 0, ""},
		{"30023:" + pk[1:] + ":x", false, 0, ""},
		{"30023", false, 0, ""},
		{"", false, 0, ""},
	} {
		a, err := event.ParseAddress(c.in)
		if (err == nil) != c.ok || a.Kind != c.kind || a.D != c.d {
			t.Errorf("NIP09.3 %s: %+v, %v", c.in, a, err)
		}
		if !c.ok {
			continue
		}
		if again, err := event.ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("NIP09.3 %s is written %s", c.in, a)
		}
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		name string
		e    event.Event
		want string
	}{
		{"NIP01.15 no d", event.Event{Kind: 30000}, ""},
		{"NIP01.15 d without a value", event.Event{Kind: 30000, Tags: []event.Tag{{"d"}}}, ""},
		{"NIP01.15 the first d wins", event.Event{Kind: 30000, Tags: []event.Tag{{"d"}, {"d", "x"}}}, ""},
		{"NIP01.15 d", event.Event{Kind: 30000, Tags: []event.Tag{{"e", "d"}, {"d", "x", "y"}, {"d", "z"}}}, "x"},
		{"NIP01.16 a replaceable ignores d", event.Event{Kind: 0, Tags: []event.Tag{{"d", "x"}}}, ""},
	} {
		if a, ok := c.e.Address(); !ok || a.D != c.want || a.Kind != c.e.Kind {
			t.Errorf("%s: %v, %v", c.name, a, ok)
		}
	}
	for _, kind := range []uint16{1, 2, 4, 5, 45, 999, 1000, 9999, 20000, 29999, 40000, 65535} {
		if a, ok := (&event.Event{Kind: kind}).Address(); ok {
			t.Errorf("NIP01.12 kind %d has the address %v", kind, a)
		}
	}
}

func TestKindClasses(t *testing.T) {
	class := func(k uint16) string {
		switch {
		case event.Replaceable(k):
			return "replaceable"
		case event.Ephemeral(k):
			return "ephemeral"
		case event.Addressable(k):
			return "addressable"
		}
		return "regular"
	}
	for k, want := range map[uint16]string{
		0: "replaceable", 1: "regular", 2: "regular", 3: "replaceable", 4: "regular", 44: "regular", 45: "regular", 999: "regular",
		1000: "regular", 9999: "regular", 10000: "replaceable", 19999: "replaceable", 20000: "ephemeral", 29999: "ephemeral",
		30000: "addressable", 39999: "addressable", 40000: "regular", 65535: "regular",
	} {
		if got := class(k); got != want {
			t.Errorf("NIP01.12 kind %d is %s", k, got)
		}
	}
}

func TestNewer(t *testing.T) {
	low, high := event.ID{1}, event.ID{2}
	if !event.Newer(2, high, 1, low) || event.Newer(1, low, 2, high) {
		t.Error("NIP01.13 the later one wins")
	}
	if !event.Newer(1, low, 1, high) || event.Newer(1, high, 1, low) || event.Newer(1, low, 1, low) {
		t.Error("NIP01.14 of equal times the lower id wins")
	}
}

func TestTargets(t *testing.T) {
	me, id := event.PubKey{1}, strings.Repeat("ab", 32)
	other := event.PubKey{2}.String()
	e := &event.Event{Kind: event.KindDeletion, PubKey: me, Tags: []event.Tag{
		{"e", id},
		{"e", "short"},
		{"e"},
		{"E", id},
		{"k", "1"},
		{"a", "30023:" + me.String() + ":x:y"},
		{"a", "0:" + me.String() + ":"},
		{"a", "30023:" + other + ":x"},
		{"a", "junk"},
		{"a"},
	}}
	ids, addresses := e.Targets()
	if len(ids) != 1 || ids[0].String() != id {
		t.Errorf("NIP09.2 %v", ids)
	}
	if len(addresses) != 2 || addresses[0].D != "x:y" || addresses[1].Kind != 0 {
		t.Errorf("NIP09.3 %v", addresses)
	}
}

func TestProtected(t *testing.T) {
	for _, c := range []struct {
		tags []event.Tag
		want bool
	}{
		{nil, false}, {[]event.Tag{{"-"}}, true}, {[]event.Tag{{"t", "-"}, {"-", "x"}}, true}, {[]event.Tag{{"t", "-"}}, false}, {[]event.Tag{{"--"}}, false},
	} {
		if got := (&event.Event{Tags: c.tags}).Protected(); got != c.want {
			t.Errorf("NIP70.2 %v: %v", c.tags, got)
		}
	}
}
