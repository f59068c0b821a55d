package nip13_test

import (
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/nip13"
)

func id(t *testing.T, prefix string) event.ID {
	t.Helper()
	id, err := event.ParseID(prefix + strings.Repeat("f", 64-len(prefix)))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDifficulty(t *testing.T) {
	for _, c := range []struct {
		prefix string
		want   int
	}{
		{"", 0},
		{"7", 1},
		{"0f", 4},
		{"01", 7},
		{"002f", 10},
		{"000006d8", 21},
		{strings.Repeat("0", 63) + "1", 255},
		{strings.Repeat("0", 64), 256},
	} {
		if got := nip13.Difficulty(id(t, c.prefix)); got != c.want {
			t.Errorf("NIP13.3 %s…: %d, want %d", c.prefix, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name       string
		tag        event.Tag
		least      int
		needTarget bool
		want       string // part of the error
	}{
		{"NIP13.1 equal", nil, 10, false, ""},
		{"NIP13.1 below", nil, 11, false, "difficulty 10 is less than 11"},
		{"NIP13.2 committed", event.Tag{"nonce", "1", "10"}, 10, true, ""},
		{"NIP13.2 committed to more", event.Tag{"nonce", "1", "20"}, 10, true, ""},
		{"NIP13.2 committed to less", event.Tag{"nonce", "1", "9"}, 10, false, "committed target difficulty 9 is less than 10"},
		{"NIP13.2 no commitment wanted", event.Tag{"nonce", "1"}, 10, false, ""},
		{"NIP13.2 no commitment", event.Tag{"nonce", "1"}, 10, true, "does not commit"},
		{"NIP13.2 unreadable commitment", event.Tag{"nonce", "1", "-9"}, 10, true, "does not commit"},
		{"NIP13 nothing wanted", nil, 0, true, ""},
	} {
		e := &event.Event{ID: id(t, "002f")}
		if c.tag != nil {
			e.Tags = []event.Tag{c.tag}
		}
		err := nip13.Check(e, c.least, c.needTarget)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
