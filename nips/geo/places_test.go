package geo

import (
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/geohash"
)

func FuzzPlaces(f *testing.F) {
	f.Add("u33dc1 u33dc u33d u33 9q8yy")
	f.Add("U33 u u33dc1v0xupz u33dc1v0xupzb ail")
	f.Add("0 1 2 3 4 5 6 7 8 9 b c d e f g h j k 00 11")
	// Places are valid, none lies in another one, and every valid tag lies in
	// one or holds one, unless there were too many.
	f.Fuzz(func(t *testing.T, text string) {
		e := &event.Event{Kind: 1}
		for hash := range strings.FieldsSeq(text) {
			e.Tags = append(e.Tags, event.Tag{"g", hash})
		}
		p := Locate(e, true)
		for i, a := range p.List() {
			if !geohash.Valid(a) {
				t.Fatalf("%q is a place", a)
			}
			for j, b := range p.List() {
				if i != j && strings.HasPrefix(a, b) {
					t.Fatalf("%s and %s are two places", a, b)
				}
			}
		}
		for _, tag := range e.Tags {
			hash := strings.ToLower(tag[1])
			if p.More || !geohash.Valid(hash) {
				continue
			}
			found := false
			for _, a := range p.List() {
				found = found || strings.HasPrefix(a, hash)
			}
			if !found {
				t.Fatalf("%s is lost: %v", hash, p.List())
			}
		}
	})
}

func TestPlacesOfTags(t *testing.T) {
	for _, c := range []struct {
		kind uint16
		tags string // name=value=more
		want string
		bad  string
	}{
		{1, "g=u33dc g=u33d g=u33 g=u3 g=u", "u33dc", ""},
		{1, "g=u g=u3 g=u33 g=u33d g=u33dc", "u33dc", ""},
		{1, "g=u33 g=u31", "u33 u31", ""},
		{1, "g=wss://grasp.example g=u33", "u33", "wss://grasp.example"},
		{1, "g=", "", ""},
		{1, "i=geo:u33 I=geo:9q8 i=isbn:123", "u33 9q8", ""},
		{1, "r=u33", "", ""},
		{20000, "r=u33dc1", "u33dc1", ""},
		{1, "G=u33 geo=u33", "", ""},
		// Labels (NIP-32): of the namespace that stands for g tags, and it is named.
		{1, "L=#g l=u33dc=#g l=u33=#g", "u33dc", ""},
		{1, "L=#g l=u33dc=#g g=u33", "u33dc", ""},
		{1, "L=#g l=nowhere=#g", "", "nowhere"},
		{1, "l=u33dc=#g", "", ""},
		{1, "L=ISO-3166-2 l=DE-BE=ISO-3166-2 L=ISO-639-1 l=de=ISO-639-1 l=u33", "", ""},
		// What nostr-geotags writes of a place in Hungary: all but u2mwdd8q4 is none.
		{1, "g=EU=continentCode g=HU=countryCode=ISO-3166-1:alpha2 g=348=countryCode=ISO-3166-1:numeric g=Hungary=countryName" +
			" g=u2mwdd8q4=geohash g=u2=geohash g=47.5=lat g=19=lon g=Budapest=cityName", "u2mwdd8q4", ""},
	} {
		e := &event.Event{Kind: c.kind}
		for tag := range strings.FieldsSeq(c.tags) {
			e.Tags = append(e.Tags, strings.Split(tag, "="), event.Tag{"g"})
		}
		p := Locate(e, true)
		if got := strings.Join(p.List(), " "); got != c.want || p.Bad != c.bad {
			t.Errorf("%s: %q, bad %q", c.tags, got, p.Bad)
		}
	}
}
