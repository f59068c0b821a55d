package builtin

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/geohash"
	"moa/policy"
	"moa/policy/policytest"
)

// at is an event with tags given as "g=u33dc1".
func at(kind uint16, tags ...string) event.Event {
	e := event.Event{Kind: kind, PubKey: alice}
	for _, t := range tags {
		name, value, _ := strings.Cut(t, "=")
		e.Tags = append(e.Tags, event.Tag{name, value})
	}
	return e
}

// tagged is the event with one more tag.
func tagged(e event.Event, tag event.Tag) event.Event {
	e.Tags = append(e.Tags, tag)
	return e
}

// ladder is what Amethyst writes: one g tag for each precision, longest first.
func ladder(kind uint16, hash string) event.Event {
	e := event.Event{Kind: kind, PubKey: alice}
	steps := geohash.Ladder(hash)
	for i := len(steps) - 1; i >= 0; i-- {
		e.Tags = append(e.Tags, event.Tag{"g", steps[i]})
	}
	return e
}

const berlin = "use='geo'\nprefixes=['u33']\narea='Berlin'\n"

func TestGeoRelayTakesItsArea(t *testing.T) {
	const add = `blocked: only notes within u33 (Berlin) are accepted; add a "g" tag`
	const other = "blocked: only notes within u33 (Berlin) are accepted; yours is 9q8yy"
	for _, c := range []struct {
		name, config string
		e            event.Event
		want         string
	}{
		{"a note from here", "", at(1, "g=u33dc1"), ""},
		{"a note in upper case", "", at(1, "g=U33DC1"), ""},
		{"a note from there", "", at(1, "g=9q8yy"), other},
		{"a note from nowhere", "", at(1), add},
		{"a reaction from nowhere", "", at(7), ""},
		{"a reaction from there", "", at(7, "g=9q8yy"), other},
		{"a profile", "", at(0, "g=9q8yy"), ""},
		{"a GRASP list (NIP-34)", "", at(10317, "g=wss://grasp.example"), ""},
		{"a repository with a URL for g", "", at(30617, "g=wss://grasp.example"), ""},
		{"a note with a URL for g", "", at(1, "g=wss://grasp.example"), `blocked: "wss://grasp.example" is not a geohash; add a "g" tag`},
		{"a g with forbidden letters", "", at(1, "g=u33a"), `blocked: "u33a" is not a geohash`},
		{"12 characters", "", at(1, "g=u33dc1v0xupz"), ""},
		{"13 characters", "", at(1, "g=u33dc1v0xupzb"), `blocked: "u33dc1v0xupzb" is not a geohash`},
		{"a comment on a place (NIP-22, NIP-73)", "", at(1111, "I=geo:u33dc", "K=geo", "i=geo:u33dc", "k=geo"), ""},
		{"a comment on another place", "", at(1111, "I=geo:9q8yy", "K=geo"), other},
		{"a label (NIP-32)", "", tagged(at(1, "L=#g"), event.Tag{"l", "u33dc", "#g"}), ""},
		{"a label from there", "", tagged(at(1, "L=#g"), event.Tag{"l", "9q8yy", "#g"}), other},
		{"a language that reads like a cell", "", tagged(at(1, "L=ISO-639-1"), event.Tag{"l", "de", "ISO-639-1"}), add},
		{"a country code that reads like a cell", "", tagged(at(7), event.Tag{"g", "DE", "countryCode"}), ""},
		{"a comment on a web page", "", at(1111, "I=https://example.com"), ""},
		{"a ladder from here", "", ladder(1, "u33dc1v0"), ""},
		{"a ladder from there", "", ladder(1, "9q8yy"), other},
		{"a ladder from the next cell", "", ladder(1, "u31xy"), "blocked: only notes within u33 (Berlin) are accepted; yours is u31xy"},
		{"two places, any", "", at(1, "g=9q8yy", "g=u33dc"), ""},
		{"two places, all", "places='all'", at(1, "g=9q8yy", "g=u33dc"), "blocked: only notes within u33 (Berlin) are accepted; yours is 9q8yy, u33dc"},
		{"a ladder and another place, all", "places='all'", at(1, "g=u33dc", "g=u33d", "g=u33", "g=u"), ""},
		{"a coarse cell that intersects", "", at(1, "g=u"), ""},
		{"a coarse cell, centre", "coarse='centre'", at(1, "g=u"), "blocked: "},
		{"a coarse cell, contained", "coarse='contained'", at(1, "g=u3"), "blocked: "},
		{"the cell itself, contained", "coarse='contained'", at(1, "g=u33"), ""},
		{"too precise", "max_length=6", at(1, "g=u33dc1v"), "blocked: location too precise: u33dc1v has 7 characters, and to protect you at most 6 are accepted"},
		{"too coarse", "min_length=4", at(1, "g=u33"), "blocked: location too coarse"},
		{"as precise as allowed", "min_length=4\nmax_length=6", at(1, "g=u33dc1"), ""},
		{"too many places", "", at(1, strings.Split("g=0 g=1 g=2 g=3 g=4 g=5 g=6 g=7 g=8 g=9 g=b g=c g=d g=e g=f g=g g=h g=j", " ")...), "blocked: the event names more than 16 places"},

		// BitChat
		{"a message here", "", at(20000, "g=u33dc1v0", "n=nick", "t=teleport"), ""},
		{"presence here", "", at(20001, "g=u33d"), ""},
		{"the probe of its relay list", "", at(20000, "n=test", "g=test"), "relay only"},
		{"a message there", "", at(20000, "g=9q8yy"), "relay only"},
		{"a message there, refused", "out_of_area_ephemeral='refuse'", at(20000, "g=9q8yy"), other},
		{"a mesh bridge here", "", at(20000, "r=u33dc1", "m=id"), ""},
		{"a mesh bridge there", "", at(20000, "r=9q8yyk", "m=id"), "relay only"},
		{"a mesh bridge, off", "mesh_bridge=false\nout_of_area_ephemeral='refuse'", at(20000, "r=u33dc1"), add},
		{"r of a note is no place", "", at(1, "r=u33dc1"), add},
		{"a location note", "", at(1, "g=u33dc1v0", "n=nick", "expiration=1900000000", "t=urgent"), ""},
	} {
		p := use(t, berlin+c.config)
		expect(t, c.name, ask(p, nobody, c.e), c.want)
	}
}

func TestGeoAreaFromEverything(t *testing.T) {
	dir := t.TempDir()
	square := `{"type":"Polygon","coordinates":[[[2,48],[3,48],[3,49],[2,49],[2,48]]]}`
	if err := os.WriteFile(filepath.Join(dir, "paris.geojson"), []byte(square), 0o600); err != nil {
		t.Fatal(err)
	}
	chain, faults := Build(policy.Env{Dir: dir}, nil, []map[string]any{{
		"use": "geo", "prefixes": []any{"u33"}, "polygons": []any{"paris.geojson"},
		"circles": []any{map[string]any{"lat": 37.77, "lon": -122.42, "km": int64(20)}},
		"boxes":   []any{map[string]any{"south": -20.0, "west": 170.0, "north": -10.0, "east": -170.0}},
		"except":  map[string]any{"prefixes": []any{"u33d"}},
	}})
	if faults != nil {
		t.Fatal(faults)
	}
	p := last(chain)
	for _, c := range []struct {
		lat, lon float64
		in       bool
	}{{52.9, 13.5, true}, {52.5, 13.4, false}, {48.8, 2.3, true}, {37.8, -122.4, true}, {-15, 180, true}, {-15, -175, true}, {0, 0, false}} {
		if got := ask(p, nobody, at(1, "g="+geohash.Encode(c.lat, c.lon, 8))) == ""; got != c.in {
			t.Errorf("%v, %v (%s) accepted: %v", c.lat, c.lon, geohash.Encode(c.lat, c.lon, 8), got)
		}
	}
}

func TestGeoFaultsHaveTheirPaths(t *testing.T) {
	_, faults := build(t, `
[[policy]]
use = "geo"
prefixes = ["u33", "u4pria"]
circles = [{ lat = 91.0, lon = 0, km = 1 }]
boxes = [{ south = 1, west = 1, north = 1, east = 2 }]
polygons = ["nowhere.geojson"]
except = { prefixes = ["o"], radius = 1 }
coarse = "maybe"
max_length = 13
[[policy]]
use = "geo"
prefixes = ["u4pria"]
circles = [{ lat = 91.0, lon = 0, km = 1 }]
boxes = [{ south = 1, west = 1, north = 1, east = 2 }]
polygons = ["nowhere.geojson"]
except = { prefixes = ["o"] }
coarse = "maybe"
max_length = 13
[[policy]]
use = "geo"
`)
	var got strings.Builder
	for _, f := range faults {
		got.WriteString(f.Error() + "\n")
	}
	for _, want := range []string{
		`policy[0].except.radius: unknown key`, `policy[1].prefixes[0]: "u4pria" is not a geohash (letter i)`,
		`policy[1].circles[0]: latitude 91`, `policy[1].boxes[0]: a box`, `policy[1].polygons[0]: open `,
		`policy[1].except.prefixes[0]: "o" is not a geohash (letter o)`, `policy[1].coarse: "maybe" is none of "intersects", "centre", "contained"`,
		`policy[1].max_length: 13`, `policy[2].prefixes: there is no area`,
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("no fault %s in\n%s", want, &got)
		}
	}
}

func TestEachCellHasItsOwnAllowanceAndWorkBuysMore(t *testing.T) {
	p := use(t, "use='rate'\nby=['cell']\ncell_length=5\ncount=1\nwork_beyond=4").(*rate)
	p.now = func() time.Time { return time.Unix(1_700_000_000, 0) }
	expect(t, "first", ask(p, nobody, at(20000, "g=u33dc1")), "")
	e := at(20000, "g=u33dc2")
	expect(t, "same cell", ask(p, nobody, e), "rate-limited: too many events by cell: the limit is 1 in 1m; try again in 1m, or with 4 bits of proof of work")
	expect(t, "other cell", ask(p, nobody, at(20000, "g=u33db2")), "")
	expect(t, "no cell", ask(p, nobody, at(1)), "")
	expect(t, "no cell again", ask(p, nobody, at(1)), "")
	mine(&e, 4)
	expect(t, "same cell with work", ask(p, nobody, e), "")
	expect(t, "same cell behind another", ask(p, nobody, at(20000, "g=9q8yy", "g=u33dc3")), "rate-limited: ")
	expect(t, "two places in one cell", ask(p, nobody, at(20000, "g=dr5r0", "g=dr5r0b", "g=dr5r0c")), "")
}

// mine gives an event proof of work.
func mine(e *event.Event, bits int) {
	for n := range 1 << 20 {
		e.Tags = append(e.Tags[:len(e.Tags):len(e.Tags)], event.Tag{"nonce", strconv.Itoa(n), strconv.Itoa(bits)})
		if id := policytest.Event(*e).ID; id[0]>>(8-bits) == 0 {
			return
		}
		e.Tags = e.Tags[:len(e.Tags)-1]
	}
}
