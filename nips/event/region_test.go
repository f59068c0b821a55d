package event_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/geohash"
)

func TestRegions(t *testing.T) {
	for _, c := range []struct {
		text, value string
		want        bool
	}{
		{`{"#g":["u33*"]}`, "u33dc1", true},
		{`{"#g":["u33*"]}`, "u33", true},
		{`{"#g":["u33*"]}`, "u3", false},
		{`{"#g":["u33*"]}`, "u34", false},
		{`{"#g":["u33*"]}`, "u33dc1v0xupz", true},
		{`{"#g":["u33*"]}`, "u33dc1v0xupzb", false}, // 13 characters are no geohash
		{`{"#g":["u33*"]}`, "u33a", false},
		{`{"#g":["u33*"]}`, "u33 or so", false},
		{`{"#g":["u33*"]}`, "U33DC1", false},
		{`{"#g":["u33dc1v0xupz*"]}`, "u33dc1v0xupz", true},
		{`{"#g":["9q8*","u33*"]}`, "9q8yy", true},
		{`{"#g":["9q8*","u33*"]}`, "9r", false},
		{`{"#g":["u3*","u33d*","u"]}`, "u35", true},
		{`{"#g":["u3*","u33d*","u"]}`, "u", true},
		{`{"#g":["u3*","u33d*","u"]}`, "u4", false},
		{`{"#g":["u33"]}`, "u33dc1", false}, // NIP-01 as ever
		{`{"#g":["*"]}`, "u33", false},
		{`{"#g":["*"]}`, "*", true},
		{`{"#g":["wss://*"]}`, "wss://*", true},
		{`{"#g":["wss://*"]}`, "wss://grasp.example", false},
		{`{"#g":["U33*"]}`, "u33", false},
	} {
		f := filter(t, c.text)
		e := &event.Event{Tags: []event.Tag{{"g", c.value}}}
		if f.Matches(e) != c.want || f.Never() {
			t.Errorf("%s of %q: %v", c.text, c.value, !c.want)
		}
	}
	for _, c := range []struct {
		text string
		tag  event.Tag
		want bool
	}{
		{`{"#i":["geo:u33*"]}`, event.Tag{"i", "geo:u33dc1"}, true},
		{`{"#I":["geo:u33*","isbn:1"]}`, event.Tag{"I", "geo:u33"}, true},
		{`{"#I":["geo:u33*","isbn:1"]}`, event.Tag{"I", "isbn:1"}, true},
		{`{"#I":["geo:u33*"]}`, event.Tag{"i", "geo:u33"}, false},
		{`{"#i":["geo:u33*"]}`, event.Tag{"i", "u33dc1"}, false},
		{`{"#i":["geo:u33*"]}`, event.Tag{"i", "geo:u33a"}, false},
		{`{"#i":["geo:u33*"]}`, event.Tag{"g", "u33dc1"}, false},
		{`{"#g":["u33*"]}`, event.Tag{"i", "geo:u33dc1"}, false},
		{`{"#g":["geo:u33*"]}`, event.Tag{"g", "geo:u33dc1"}, false},
		{`{"#i":["u33*"]}`, event.Tag{"i", "u33*"}, true},
		{`{"#i":["u33*"]}`, event.Tag{"i", "u33dc1"}, false},
		{`{"#i":["geo:*"]}`, event.Tag{"i", "geo:u33"}, false},
	} {
		if filter(t, c.text).Matches(&event.Event{Tags: []event.Tag{c.tag}}) != c.want {
			t.Errorf("%s of %q: %v", c.text, c.tag, !c.want)
		}
	}
	other := filter(t, `{"#t":["u33*"]}`)
	if other.Matches(&event.Event{Tags: []event.Tag{{"t", "u33dc"}}}) || !other.Matches(&event.Event{Tags: []event.Tag{{"t", "u33*"}}}) {
		t.Error("#t knows regions")
	}
}

// A filter with many regions decides as the definition does.
func TestRegionsAgreeWithTheirDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	hash := func(most int) string {
		b := make([]byte, 1+r.IntN(most))
		for i := range b {
			b[i] = "9u3"[r.IntN(3)]
		}
		return string(b)
	}
	for range 3000 {
		var regions []string
		for range 1 + r.IntN(12) {
			regions = append(regions, hash(5))
		}
		v := hash(6)
		if r.IntN(8) == 0 {
			v += "a"
		}
		in := func(region string) bool { return geohash.Valid(v) && strings.HasPrefix(v, region) }
		text := `{"#g":["` + strings.Join(regions, `*","`) + `*"]}`
		if got := filter(t, text).Tags[0].HasValue(v); got != slices.ContainsFunc(regions, in) {
			t.Fatalf("%s of %q: %v", text, v, got)
		}
	}
}
