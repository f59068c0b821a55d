package relay_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/geohash"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
)

func overHTTP(cfg *relay.Config) { cfg.Geo.HTTP = true }

// places is the answer of /geo/events.
func places(t *testing.T, r *relaytest.Relay, query string) (events []*event.Event, whole bool) {
	t.Helper()
	resp, body := get(t, r, "GET", "/geo/events?"+query)
	var answer struct {
		Events []json.RawMessage
		Whole  bool
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %s %v %s", query, resp.Status, err, body)
	}
	for _, raw := range answer.Events {
		e, err := event.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events, answer.Whole
}

// distance is that of two places in km, by the haversine formula.
func distance(lat1, lon1, lat2, lon2 float64) float64 {
	rad := math.Pi / 180
	a := math.Pow(math.Sin((lat2-lat1)*rad/2), 2) + math.Cos(lat1*rad)*math.Cos(lat2*rad)*math.Pow(math.Sin((lon2-lon1)*rad/2), 2)
	return 2 * 6371.0088 * math.Asin(math.Sqrt(a))
}

func TestEventsInABoxAndNearAPlace(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		cfg := relaytest.Config()
		overHTTP(&cfg)
		if err := r.Server.Reload(cfg, nil); err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		c := r.Dial(t)
		type spot struct {
			lat, lon float64
			*event.Event
		}
		var all []spot
		for i := range 150 {
			hash := geohash.Encode(52.5+rnd.Float64()-0.5, 13.4+rnd.Float64()-0.5, 2+rnd.IntN(7))
			switch i % 3 {
			case 1:
				hash = geohash.Encode(-17+rnd.Float64()*4-2, 180+rnd.Float64()*4-2, 5)
			case 2:
				hash = geohash.Encode(88+rnd.Float64()*2, rnd.Float64()*360, 6)
			}
			box, _ := geohash.Decode(hash)
			tag := [][]string{{"g", hash}, {"g", hash}, {"I", "geo:" + hash}, {"i", "geo:" + hash}}[i%4]
			e := alice.Sign(t, event.Event{Kind: uint16(1 + i%2*6), CreatedAt: int64(1000 + i), Tags: tags(tag)})
			c.Accepted(t, e)
			lat, lon := box.Centre()
			all = append([]spot{{lat, lon, e}}, all...)
		}
		for _, q := range []struct {
			query string
			in    func(s spot) bool
		}{
			{"bbox=13.2,52.3,13.8,52.6", func(s spot) bool { return s.lat >= 52.3 && s.lat <= 52.6 && s.lon >= 13.2 && s.lon <= 13.8 }},
			{"bbox=179,-18,-179,-16", func(s spot) bool { return s.lat >= -18 && s.lat <= -16 && (s.lon >= 179 || s.lon <= -179) }},
			{"bbox=-180,89,180,90&kinds=1", func(s spot) bool { return s.lat >= 89 && s.Kind == 1 }},
			{"bbox=-180,-90,180,90", func(s spot) bool { return true }},
			{"bbox=0,0,1,1", func(s spot) bool { return false }},
			{"near=52.5,13.4&km=20", func(s spot) bool { return distance(52.5, 13.4, s.lat, s.lon) <= 20 }},
			{"near=52.5,13.4&km=2000&kinds=7,1&since=1050&until=1100", func(s spot) bool {
				return distance(52.5, 13.4, s.lat, s.lon) <= 2000 && s.CreatedAt >= 1050 && s.CreatedAt <= 1100
			}},
			{"near=-17,-179.9&km=150", func(s spot) bool { return distance(-17, -179.9, s.lat, s.lon) <= 150 }},
			{"near=89.9,0&km=100", func(s spot) bool { return distance(89.9, 0, s.lat, s.lon) <= 100 }},
		} {
			var want []*event.Event
			for _, s := range all {
				if q.in(s) {
					want = append(want, s.Event)
				}
			}
			got, whole := places(t, r, q.query+"&limit=500")
			sameIDs(t, q.query, got, want...)
			if !whole {
				t.Errorf("%s: not whole", q.query)
			}
			if n := len(want) - 1; n > 0 {
				got, whole := places(t, r, fmt.Sprintf("%s&limit=%d", q.query, n))
				sameIDs(t, q.query+", cut", got, want[:n]...)
				if whole {
					t.Errorf("%s: whole, though cut", q.query)
				}
			}
		}
	})
}

func TestGeoOverHTTPShowsWhatAnUnauthenticatedClientMaySee(t *testing.T) {
	chain, faults := builtin.Build(policy.Env{}, nil, []map[string]any{{"use": "readers", "kinds": "7", "pubkeys": []any{bob.Hex()}}})
	if faults != nil {
		t.Fatal(faults)
	}
	r := relaytest.Start(t, relaytest.Options{Chain: chain, Config: func(cfg *relay.Config) { overHTTP(cfg); replaying(cfg) }})
	c := r.Dial(t)
	note := alice.Note(t, "for all", event.Tag{"g", "u33dc1"})
	talk := chat(t, alice, "u33dc1", "a moment ago")
	secret := alice.Sign(t, event.Event{Kind: 1059, Tags: tags([]string{"p", bob.Hex()}, []string{"g", "u33dc1"})})
	c.Accepted(t, note, alice.Sign(t, event.Event{Kind: 7, Tags: tags([]string{"g", "u33dc1"})}), secret)
	c.Accepted(t, talk)
	c.UpToNow(t)
	got, _ := places(t, r, "near=52.52,13.4&km=30")
	if len(got) != 2 || got[0].Kind+got[1].Kind != 20001 {
		t.Errorf("got\n%s", list(got))
	}
	resp, body := get(t, r, "GET", "/geo/events?near=52.52,13.4&km=30&kinds=7")
	if resp.StatusCode != http.StatusForbidden || !strings.HasPrefix(body, `{"error":"auth-required: `) {
		t.Errorf("%s %s", resp.Status, body)
	}
}

func TestCellsHideWhoIsAlone(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		cfg := relaytest.Config()
		overHTTP(&cfg)
		if err := r.Server.Reload(cfg, nil); err != nil {
			t.Fatal(err)
		}
		c := r.Dial(t)
		for i, k := range []relaytest.Key{alice, bob, carol, carol} {
			place := []event.Tag{{"g", "u33dc" + fmt.Sprint(i)}, {"g", "u33dc"}}
			if i == 1 {
				place = []event.Tag{{"I", "geo:u33dc1"}, {"i", "geo:u33dc1"}}
			}
			c.Accepted(t, k.Note(t, fmt.Sprint(i), place...))
		}
		for i := range 5 {
			c.Accepted(t, []relaytest.Key{alice, bob}[i%2].Note(t, fmt.Sprint(i), event.Tag{"g", "u33eb"}))
		}
		c.Accepted(t, alice.Note(t, "coarse", event.Tag{"g", "u3"}),
			bob.Sign(t, event.Event{Kind: 1, CreatedAt: time.Now().Unix() - 7200, Tags: tags([]string{"g", "u33dc1"})}))
		now := time.Now().Unix()
		for _, q := range []struct{ query, want string }{
			{"precision=5", `[{"cell":"u33dc","events":4,"authors":3}],"whole":true}`},
			{"", `[{"cell":"u33d","events":4,"authors":3}],"whole":true}`},
			{"precision=3&kinds=1", `[{"cell":"u33","events":9,"authors":3}],"whole":true}`},
			{"precision=2", `[{"cell":"u3","events":10,"authors":3}],"whole":true}`},
			{fmt.Sprintf("precision=5&since=%d", now-10_000), `[{"cell":"u33dc","events":5,"authors":3}],"whole":true}`},
			{"precision=5&near=52.52,13.4&km=100", `[{"cell":"u33dc","events":4,"authors":3}],"whole":true}`},
			{"precision=4&bbox=13.36,52.51,13.37,52.52", `[{"cell":"u33d","events":4,"authors":3}],"whole":true}`}, // whole cells, however small the box
			{"precision=5&bbox=0,0,1,1", `[],"whole":true}`},
			{"kinds=7", `[],"whole":true}`},
		} {
			if _, body := get(t, r, "GET", "/geo/cells?"+q.query); !strings.HasSuffix(body, `"cells":`+q.want) {
				t.Errorf("%s: %s", q.query, body)
			}
		}
	})
}

func TestTheMapRunsItsOwnScriptOnly(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Chain: berlin(t), Config: func(cfg *relay.Config) { overHTTP(cfg); cfg.Info.Name = "<b>Berlin" }})
	resp, page := get(t, r, "GET", "/geo")
	_, rest, _ := strings.Cut(page, "<script>")
	script, _, ok := strings.Cut(rest, "</script>")
	sum := sha256.Sum256([]byte(script))
	policy := resp.Header.Get("Content-Security-Policy")
	if !ok || resp.StatusCode != 200 || !strings.Contains(policy, "script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") ||
		!strings.Contains(policy, "default-src 'none'; connect-src 'self'") {
		t.Errorf("%s, a script of %d bytes, %s", resp.Status, len(script), policy)
	}
	if !strings.Contains(page, `data-area="u33"`) || strings.Contains(page, "<b>Berlin") || strings.Contains(page, "https://") {
		t.Errorf("%s", page)
	}
	if _, home := get(t, r, "GET", "/"); !strings.Contains(home, `href="/geo"`) {
		t.Error("the page at / does not lead to the map")
	}
	if resp, _ := get(t, r, "POST", "/geo"); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", resp.Status)
	}
	off := start(t, nil)
	if resp, _ := get(t, off, "GET", "/geo"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("off: %s", resp.Status)
	}
	if _, home := get(t, off, "GET", "/"); strings.Contains(home, "/geo") {
		t.Error("off, and yet the page at / leads there")
	}
}

func TestGeoOverHTTPIsAskedProperly(t *testing.T) {
	r := start(t, overHTTP)
	for _, path := range []string{
		"events", "events?bbox=1,2,3", "events?bbox=1,2,3,x", "events?bbox=1,91,3,92", "events?bbox=1,2,1,3", "events?near=1,2", "events?near=1,2&km=0",
		"events?near=1,2&km=-1", "events?near=NaN,2&km=1", "events?near=1,2&km=Inf", "events?near=1,2&km=1&bbox=1,2,3,4", "events?near=1,2&km=1&km=2",
		"events?near=1,2&km=1&kind=1", "events?near=1,2&km=1&kinds=", "events?near=1,2&km=1&kinds=70000", "events?near=1,2&km=1&since=-1", "events?near=1,2&km=1&limit=x",
		"cells?precision=0", "cells?precision=6", "cells?precision=x", "cells?limit=1", "cells?bbox=1",
	} {
		resp, body := get(t, r, "GET", "/geo/"+path)
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(body), &answer); resp.StatusCode != http.StatusBadRequest || err != nil || answer.Error == "" {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	resp, _ := get(t, r, "OPTIONS", "/geo/events", "Origin", "https://example.com")
	if resp.StatusCode != 204 || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("OPTIONS: %s", resp.Status)
	}
	resp, body := get(t, r, "HEAD", "/geo/cells")
	if resp.StatusCode != 200 || resp.ContentLength <= 0 || body != "" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("HEAD: %s %d %q", resp.Status, resp.ContentLength, body)
	}
	if resp, _ := get(t, r, "POST", "/geo/cells"); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", resp.Status)
	}
	for _, path := range []string{"/geo/events?near=1,2&km=1", "/geo/cells"} {
		if resp, _ := get(t, start(t, nil), "GET", path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("off: %s %s", path, resp.Status)
		}
	}
}
