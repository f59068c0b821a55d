package relay_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/geohash"
	"moa/nips/nip13"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
)

// geoWith is a table of the policy geo with other keys.
func geoWith(pairs ...any) map[string]any {
	table := map[string]any{"use": "geo", "prefixes": []any{"u33"}, "area": "Berlin"}
	for i := 0; i < len(pairs); i += 2 {
		table[pairs[i].(string)] = pairs[i+1]
	}
	return table
}

// at signs an event with tags given as "g=u33dc1"; a further = begins a further
// element.
func at(t *testing.T, kind uint16, tags ...string) *event.Event {
	t.Helper()
	e := event.Event{Kind: kind}
	for _, tag := range tags {
		e.Tags = append(e.Tags, strings.Split(tag, "="))
	}
	return alice.Sign(t, e)
}

// ladderOf are the g tags that Amethyst writes, longest first.
func ladderOf(hash string) (tags []string) {
	for n := len(hash); n > 0; n-- {
		tags = append(tags, "g="+hash[:n])
	}
	return tags
}

// What a relay for Berlin answers to which event, word for word.
func TestAreaRulesAndTheirMessages(t *testing.T) {
	const (
		add   = `blocked: only notes within u33 (Berlin) are accepted; add a "g" tag with a geohash`
		other = "blocked: only notes within u33 (Berlin) are accepted; yours is 9q8yy"
	)
	type answer struct {
		what string
		e    *event.Event
		want string // "": taken
	}
	for _, c := range []struct {
		name    string
		table   map[string]any
		answers []answer
	}{
		{"as it comes", geoWith(), []answer{
			{"here", at(t, 1, "g=u33dc1"), ""},
			{"there", at(t, 1, "g=9q8yy"), other},
			{"nowhere", at(t, 1), add},
			{"upper case", at(t, 1, "g=U33DC2"), ""},
			{"letters a, i, l, o", at(t, 1, "g=u33ailo"), `blocked: "u33ailo" is not a geohash; add a "g" tag with a geohash within u33 (Berlin)`},
			{"12 characters", at(t, 1, "g=u33dc1v0xupz"), ""},
			{"13 characters", at(t, 1, "g=u33dc1v0xupzb"), `blocked: "u33dc1v0xupzb" is not a geohash`},
			{"a ladder", at(t, 1, ladderOf("u33dc1v0")...), ""},
			{"a ladder, coarsest first", at(t, 1, "g=u", "g=u3", "g=u33", "g=u33d"), ""},
			{"the ladder of another place", at(t, 1, ladderOf("9q8yy")...), other},
			{"a comment on a place", at(t, 1111, "I=geo:u33dc", "K=geo", "i=geo:u33dc", "k=geo"), ""},
			{"a comment on another place", at(t, 1111, "I=geo:9q8yy", "K=geo"), other},
			{"a label", at(t, 1, "L=#g", "l=u33dc=#g"), ""},
			{"a label of another place", at(t, 1, "L=#g", "l=9q8yy=#g"), other},
			{"a label of something else", at(t, 1, "L=ISO-639-1", "l=de=ISO-639-1"), add},
			{"a country code", at(t, 1, "g=DE=countryCode"), add},
			{"two places, one here", at(t, 1, "g=9q8yy", "g=u33db"), ""},
			{"a coarse cell around", at(t, 1, "g=u3"), ""},
			{"a kind that need not say", at(t, 7), ""},
			{"a kind that says", at(t, 7, "g=9q8yy"), other},
			{"a GRASP list", at(t, 10317, "g=wss://grasp.example"), ""},
			{"a mesh bridge", at(t, 20000, "r=u33dc1", "m=a=b=1"), ""},
			{"r of a note", at(t, 1, "r=u33dc1"), add},
		}},
		{"the exempt kinds", geoWith("required", []any{"0-65535"}), []answer{
			{"profile", at(t, 0, "g=9q8yy"), ""},
			{"follows", at(t, 3), ""},
			{"deletion", at(t, 5, "k=1", "e="+strings.Repeat("ab", 32)), ""},
			{"relay list", at(t, 10002), ""},
			{"inbox list", at(t, 10050), ""},
			{"gift wrap", at(t, 1059, "p="+bob.Hex()), ""},
			{"zap", at(t, 9735, "p="+bob.Hex()), ""},
			{"another", at(t, 30023, "d=x"), add},
		}},
		{"all places", geoWith("places", "all"), []answer{
			{"two places, one here", at(t, 1, "g=9q8yy", "g=u33dc"), "blocked: only notes within u33 (Berlin) are accepted; yours is 9q8yy, u33dc"},
			{"a ladder is one place", at(t, 1, ladderOf("u33dc1")...), ""},
		}},
		{"the centre", geoWith("coarse", "centre", "prefixes", []any{"u", "9q8yy"}, "area", ""), []answer{
			{"a cell whose middle is here", at(t, 1, "g=u"), ""},
			{"one whose middle is not", at(t, 1, "g=9q"), "blocked: only notes within u, 9q8yy are accepted; yours is 9q"},
		}},
		{"contained", geoWith("coarse", "contained"), []answer{
			{"a larger cell", at(t, 1, "g=u3"), "blocked: only notes within u33 (Berlin) are accepted; yours is u3"},
			{"the cell itself", at(t, 1, "g=u33"), ""},
		}},
		{"precision", geoWith("min_length", int64(4), "max_length", int64(6)), []answer{
			{"too precise", at(t, 1, "g=u33dc1v"), "blocked: location too precise: u33dc1v has 7 characters, and to protect you at most 6 are accepted"},
			{"a ladder that ends too late", at(t, 1, ladderOf("u33dc1v")...), "blocked: location too precise: u33dc1v has 7 characters"},
			{"too coarse", at(t, 1, "g=u33"), "blocked: location too coarse: u33 has 3 characters, and at least 4 are needed"},
			{"right", at(t, 1, "g=u33dc1"), ""},
		}},
		{"ephemeral events refused", geoWith("out_of_area_ephemeral", "refuse", "mesh_bridge", false), []answer{
			{"there", at(t, 20000, "g=9q8yy"), other},
			{"a mesh bridge", at(t, 20000, "r=u33dc1"), add},
		}},
	} {
		r := relaytest.Start(t, relaytest.Options{Chain: chainFrom(t, c.table)})
		client := r.Dial(t)
		for _, a := range c.answers {
			ok := client.Send(t, a.e)
			if ok.OK != (a.want == "") || !strings.HasPrefix(ok.Text, a.want) {
				t.Errorf("%s, %s: %v %q, want %q", c.name, a.what, ok.OK, ok.Text, a.want)
			}
		}
	}
}

// An area of everything, minus a hole; across the antimeridian and at a pole.
func TestAreaOfManyShapes(t *testing.T) {
	dir := t.TempDir()
	paris := `{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[2,48],[3,48],[3,49],[2,49],[2,48]]]}}`
	if err := os.WriteFile(filepath.Join(dir, "paris.geojson"), []byte(paris), 0o600); err != nil {
		t.Fatal(err)
	}
	chain, faults := builtin.Build(policy.Env{Dir: dir}, nil, []map[string]any{geoWith(
		"polygons", []any{"paris.geojson"},
		"circles", []any{map[string]any{"lat": 37.77, "lon": -122.42, "km": int64(20)}, map[string]any{"lat": 90.0, "lon": 0.0, "km": int64(200)}},
		"boxes", []any{map[string]any{"south": -20.0, "west": 170.0, "north": -10.0, "east": -170.0}},
		"except", map[string]any{"prefixes": []any{"u33d"}},
	)})
	if faults != nil {
		t.Fatal(faults)
	}
	c := relaytest.Start(t, relaytest.Options{Chain: chain}).Dial(t)
	for _, p := range []struct {
		lat, lon float64
		in       bool
	}{
		{52.9, 13.5, true},
		{52.5, 13.4, false},
		{48.8, 2.3, true},
		{48.8, 3.5, false},
		{37.8, -122.4, true},
		{37.8, -121, false},
		{-15, 179.9, true},
		{-15, -179.9, true},
		{-15, -169, false},
		{89, 0, true},
		{89.9, -179.9, true},
		{87, 90, false},
		{0, 0, false},
	} {
		hash := geohash.Encode(p.lat, p.lon, 9)
		if ok := c.Send(t, at(t, 1, "g="+hash)); ok.OK != p.in {
			t.Errorf("%v, %v (%s): %v %s", p.lat, p.lon, hash, ok.OK, ok.Text)
		}
	}
}

// Each cell has an allowance of its own, for all that write; work buys more, and
// each kind can cost its own work.
func TestCellsHaveAllowancesAndKindsCostWork(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Chain: chainFrom(t,
		map[string]any{"use": "rate", "by": []any{"cell"}, "cell_length": int64(5), "kinds": "20000", "count": int64(2), "interval": "1h", "work_beyond": int64(6), "exempt_loopback": false},
		map[string]any{"use": "pow", "name": "notes", "kinds": "1", "bits": int64(8)},
		map[string]any{"use": "pow", "name": "presence", "kinds": "20001", "bits": int64(4)},
	)})
	c := r.Dial(t)
	worked := func(k relaytest.Key, kind uint16, bits int, cell string) *event.Event {
		e := event.Event{Kind: kind, PubKey: k.PubKey, CreatedAt: time.Now().Unix()}
		for n := 0; ; n++ {
			e.Tags = tags([]string{"g", cell}, []string{"nonce", fmt.Sprint(n), fmt.Sprint(bits)})
			if nip13.Difficulty(event.ComputeID(&e)) >= bits {
				return k.Sign(t, e)
			}
		}
	}
	said := func(k relaytest.Key, cells ...string) *event.Event {
		e := event.Event{Kind: 20000}
		for _, cell := range cells {
			e.Tags = append(e.Tags, event.Tag{"g", cell})
		}
		return k.Sign(t, e)
	}
	c.Accepted(t, said(alice, "u33dc1"), said(bob, "u33dc2"))
	c.Refused(t, said(carol, "u33dc3"), "rate-limited: too many events of kinds 20000 by cell: the limit is 2 in 1h; try again in 30m, or with 6 bits of proof of work (NIP-13) at once")
	c.Refused(t, said(carol, "u33db1", "u33dc3"), "rate-limited: ")
	c.Accepted(t, worked(carol, 20000, 6, "u33dc3"), said(carol, "u33dd"))
	c.Refused(t, at(t, 1, "g=u33dc1"), "pow: ")
	c.Accepted(t, worked(alice, 1, 8, "u33dc1"))
	c.Refused(t, at(t, 20001, "g=u33dc1"), "pow: ")
	c.Accepted(t, worked(alice, 20001, 4, "u33dc1"), at(t, 7, "g=u33dc1"))
	if _, doc := get(t, r, "GET", "/", "Accept", "application/nostr+json"); !strings.Contains(doc, `13,`) {
		t.Errorf("NIP-13 is not announced: %s", doc)
	}
}

// u33.geo.example is what lies under u33, of one store: what is written there is
// seen under u3, too, and what is written under u33d is seen there.
func TestScopesAreHostsOverOneStore(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Chain: chainFrom(t, map[string]any{"use": "scopes", "domain": "geo.example"})})
	host := func(label string) *relaytest.Client { return r.Dial(t, "Host", label+"geo.example") }
	here, deep, far, root := host("u33."), host("u33dc."), host("9q8."), host("")
	near, deeper, there, everywhere := at(t, 1, "g=u339"), at(t, 1, ladderOf("u33dc1v0")...), at(t, 1, "g=9q8yy"), at(t, 0)
	live := host("u33.")
	live.Stored(t, "live", `{"kinds":[1],"limit":0}`)
	here.Accepted(t, near)
	deep.Accepted(t, deeper)
	far.Accepted(t, there)
	root.Accepted(t, everywhere)
	here.Refused(t, at(t, 1, "g=9q8zz"), "restricted: only notes within u33 are accepted at this address; post notes from 9q8zz to wss://9q8zz.geo.example")
	here.Refused(t, at(t, 1), `restricted: only notes within u33 are accepted at this address; add a "g" tag with a geohash that begins so`)
	for _, q := range []struct {
		name string
		c    *relaytest.Client
		want int
	}{{"u33", here, 2}, {"u33dc", deep, 1}, {"9q8", far, 1}, {"the root", root, 3}, {"u3", host("u3."), 2}, {"dr5", host("dr5."), 0}} {
		if got := q.c.Query(t, `{"kinds":[1]}`); len(got) != q.want {
			t.Errorf("%s shows %d notes, want %d", q.name, len(got), q.want)
		}
		if n := q.c.Count(t, `{"kinds":[1]}`); n != q.want {
			t.Errorf("%s counts %d notes, want %d", q.name, n, q.want)
		}
		if got := q.c.Query(t, `{"kinds":[0]}`); len(got) != 1 {
			t.Errorf("%s shows %d profiles", q.name, len(got))
		}
	}
	last := at(t, 1, "g=u33e") // what lies elsewhere would have come before
	root.Accepted(t, last)
	for _, want := range []*event.Event{near, deeper, last} {
		if got := live.Event(t, "live"); got.ID != want.ID {
			t.Errorf("live: got %s, want %s", got.ID, want.ID)
		}
	}
	if _, resp, err := relaytest.TryDial(r.URL, "Host", "ail.geo.example"); err == nil || resp == nil || resp.StatusCode != 403 {
		t.Errorf("no geohash is a relay: %v", err)
	}
}

// Ephemeral events of the replay are no part of a reconciliation (NIP-77).
func TestTheReplayIsNotReconciled(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Config: replaying, Chain: berlin(t)})
	c := r.Dial(t)
	note := at(t, 1, "g=u33dc1")
	c.Accepted(t, chat(t, alice, "u33dc1", "here"), note)
	if s := syncWith(t, c, `{"#g":["u33*"],"since":1}`, nil, 4096); len(s.need) != 1 || s.need[0] != note.ID.String() {
		t.Errorf("the relay has %v, want the note alone, %s", s.need, note.ID)
	}
}

// Of one kind in one cell the newest are kept, in all as many as there may be.
func TestTheReplayIsCapped(t *testing.T) {
	r := start(t, func(cfg *relay.Config) {
		replaying(cfg)
		cfg.Geo.ReplayPerCell, cfg.Geo.ReplayEvents = 3, 5
	})
	c := r.Dial(t)
	var said []*event.Event
	for i := range 8 {
		said = append(said, alice.Sign(t, event.Event{
			Kind: 20000, CreatedAt: time.Now().Unix() - 8 + int64(i), Tags: tags([]string{"g", []string{"u33dc1", "9q8yy"}[i/5]}),
		}))
		c.Accepted(t, said[i])
	}
	sameIDs(t, "a full cell", c.Query(t, joining("9q8yy")), said[7], said[6], said[5])
	sameIDs(t, "another, when all are full", c.Query(t, joining("u33dc1")), said[4], said[3])
}
