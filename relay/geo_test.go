package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/geo"
	"moa/nips/geohash"
	"moa/nips/wire"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
)

// berlin is a chain for events from there.
func berlin(t *testing.T) *policy.Chain {
	t.Helper()
	chain, faults := builtin.Build(policy.Env{}, nil, []map[string]any{
		{"use": "geo", "prefixes": []any{"u33"}, "area": "Berlin"},
		{"use": "times", "newest": "0s"}, // the relay's clock may be ahead
	})
	if faults != nil {
		t.Fatal(faults)
	}
	return chain
}

func replaying(cfg *relay.Config) { cfg.Geo.Replay = 15 * time.Minute }

func startBerlin(t *testing.T) *relaytest.Relay {
	t.Helper()
	return relaytest.Start(t, relaytest.Options{Config: replaying, Chain: berlin(t)})
}

// The messages of BitChat (iOS, 2026-08-10).

func chat(t *testing.T, k relaytest.Key, cell, text string) *event.Event {
	t.Helper()
	return k.Sign(t, event.Event{Kind: 20000, Content: text, Tags: tags([]string{"g", cell}, []string{"n", "nick"}, []string{"nonce", "00000000000000ab", "8"})})
}

// joining is what BitChat asks when it enters a cell.
func joining(cell string) string {
	return fmt.Sprintf(`{"kinds":[20000,20001],"since":%d,"limit":200,"#g":[%q]}`, time.Now().Unix()-3600, cell)
}

func TestLateClientSeesTheLastMinutesOnceAndThenLive(t *testing.T) {
	r := startBerlin(t)
	first, late := r.Dial(t), r.Dial(t)
	if got := first.Stored(t, "geo-u33dc1", joining("u33dc1")); len(got) != 0 {
		t.Fatalf("an empty cell has %d events", len(got))
	}
	past := func(ago int64, kind uint16, text string) *event.Event {
		return alice.Sign(t, event.Event{Kind: kind, Content: text, CreatedAt: time.Now().Unix() - ago, Tags: tags([]string{"g", "u33dc1"})})
	}
	hello, here, anyone := past(60, 20000, "hello"), past(30, 20001, ""), past(10, 20000, "anyone?")
	first.Accepted(t, chat(t, alice, "u33dc2", "the next cell"))
	for _, e := range []*event.Event{hello, anyone, here} {
		first.Accepted(t, e)
		if got := first.Event(t, "geo-u33dc1"); got.ID != e.ID {
			t.Fatalf("got %s live, want %s", got.ID, e.ID)
		}
	}
	sameIDs(t, "the last minutes", late.Stored(t, "geo-u33dc1", joining("u33dc1")), anyone, here, hello)
	answer := chat(t, bob, "u33dc1", "me")
	late.Accepted(t, answer)
	for _, c := range []*relaytest.Client{first, late} {
		if got := c.Event(t, "geo-u33dc1"); got.ID != answer.ID {
			t.Errorf("got %s live, want the answer", got.ID)
		}
	}
	// What a bridge brings again is nothing new.
	first.Accepted(t, hello)
	late.Quiet(t)
	sampling := fmt.Sprintf(`{"kinds":[20000],"since":%d,"limit":2,"#g":["u33dc1"]}`, time.Now().Unix()-300)
	sameIDs(t, "sampling", late.Query(t, sampling), answer, anyone)
	sameIDs(t, "the region", late.Query(t, `{"kinds":[20001],"limit":9,"#g":["u33*"]}`), here)
	first.Accepted(t, deletion(t, alice, 0, eTag(here)))
	late.UpToNow(t)
	sameIDs(t, "deleted", late.Query(t, `{"kinds":[20001],"limit":9,"#g":["u33*"]}`))
}

func TestWhatTheReplayIsNotFor(t *testing.T) {
	r := startBerlin(t)
	c := r.Dial(t)
	e := chat(t, alice, "u33dc1", "here")
	c.Accepted(t, e, chat(t, alice, "9q8yy", "there"))
	for _, f := range []string{
		`{"kinds":[20000],"#g":["u33dc1"]}`, `{"kinds":[20000],"#g":["u33dc1"],"limit":0}`, `{"kinds":[20000],"limit":9}`,
		`{"kinds":[20000],"since":1}`, `{"authors":["` + alice.Hex() + `"],"since":1}`, `{"ids":["` + e.ID.String() + `"],"limit":1}`,
		`{"kinds":[20000],"#g":["9q8yy"],"since":1}`, `{"kinds":[20000],"#g":["9*"],"since":1}`,
	} {
		if got := c.Query(t, f); len(got) != 0 {
			t.Errorf("%s has %d events", f, len(got))
		}
	}
	if n := c.Count(t, `{"kinds":[20000],"#g":["u33dc1"],"since":1}`); n != 0 {
		t.Errorf("COUNT says %d", n)
	}
	if n := r.Store.Stats().Events; n != 0 {
		t.Errorf("%d events are stored", n)
	}
	off := start(t, nil).Dial(t)
	off.Accepted(t, chat(t, alice, "u33dc1", "here"))
	sameIDs(t, "without a replay", off.Query(t, joining("u33dc1")))
}

func TestTheReplayEndsOnTime(t *testing.T) {
	r := startBerlin(t)
	r.Hold()
	c := r.Dial(t)
	e := chat(t, alice, "u33dc1", "here")
	c.Accepted(t, e)
	r.Advance(14*time.Minute + 50*time.Second)
	sameIDs(t, "before", c.Query(t, joining("u33dc1")), e)
	r.Advance(11 * time.Second)
	sameIDs(t, "after", c.Query(t, joining("u33dc1")))
	now := alice.Sign(t, event.Event{Kind: 20000, CreatedAt: r.Now().Unix(), Tags: tags([]string{"g", "u33dc1"})})
	c.Accepted(t, now)
	sameIDs(t, "again", c.Query(t, joining("u33dc1")), now)
	cfg := relaytest.Config()
	if err := r.Server.Reload(cfg, berlin(t)); err != nil {
		t.Fatal(err)
	}
	if err := r.Server.Reload(func() relay.Config { replaying(&cfg); return cfg }(), berlin(t)); err != nil {
		t.Fatal(err)
	}
	sameIDs(t, "after it was turned off and on", c.Query(t, joining("u33dc1")))
}

// Clients join while others talk: each sees every message once, the replayed
// ones newest first.
func TestTheReplayMeetsTheLiveEvents(t *testing.T) {
	const messages, joins = 150, 40
	r := start(t, replaying)
	said := make([]*event.Event, messages)
	for i := range said {
		said[i] = chat(t, alice, "u33dc1", fmt.Sprint(i))
	}
	speaker := r.Dial(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, e := range said {
			if speaker.TrySay(`["EVENT",`+string(e.Raw)+`]`) != nil {
				return
			}
			time.Sleep(time.Millisecond / 4)
		}
	})
	clients := make([]*relaytest.Client, joins)
	for i := range clients {
		clients[i] = r.Dial(t)
		clients[i].Say(t, `["REQ","x",`+[]string{joining("u33dc1"), `{"#g":["u3*"],"limit":200}`}[i%2]+`]`)
	}
	wg.Wait()
	for range messages {
		speaker.Hear(t, wire.OK)
	}
	for i, c := range clients {
		times := map[event.ID]int{}
		for _, m := range c.UpToNow(t) {
			if reply, err := wire.ParseReply([]byte(m)); err == nil && reply.Verb == wire.Event {
				e, err := event.Parse(reply.Event)
				if err != nil {
					t.Fatal(err)
				}
				times[e.ID]++
			}
		}
		for _, e := range said {
			if times[e.ID] != 1 {
				t.Fatalf("client %d has message %s %d times", i, e.Content, times[e.ID])
			}
		}
	}
}

// The limit of a filter for both kinds of events counts both.
func TestReplayedAndStoredEventsAreOneAnswer(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		cfg := relaytest.Config()
		replaying(&cfg)
		cfg.EOSEHints = true
		if err := r.Server.Reload(cfg, nil); err != nil {
			t.Fatal(err)
		}
		c := r.Dial(t)
		c.Authenticate(t, alice, c.Challenge(t)) // otherwise there might be more
		var all []*event.Event
		at := time.Now().Unix() - 100
		for i := range 20 {
			e := alice.Sign(t, event.Event{Kind: []uint16{1, 20000}[i*i%7%2], CreatedAt: at + int64(i), Tags: tags([]string{"g", "u33dc1"})})
			all = append([]*event.Event{e}, all...)
			c.Accepted(t, e)
		}
		of := func(kind uint16) []*event.Event {
			return slices.DeleteFunc(slices.Clone(all), func(e *event.Event) bool { return e.Kind != kind })
		}
		sameIDs(t, "all", c.Query(t, `{"#g":["u33dc1"],"since":1}`), all...)
		sameIDs(t, "seven", c.Query(t, `{"#g":["u33dc1"],"limit":7}`), all[:7]...)
		sameIDs(t, "stored only", c.Query(t, `{"#g":["u33dc1"]}`), of(1)...)
		notes := of(1)
		sameIDs(t, "two filters", c.Query(t, `{"kinds":[1],"#g":["u33dc1"],"limit":2}`, `{"#g":["u33*"],"kinds":[20000],"limit":99}`),
			slices.DeleteFunc(slices.Clone(all), func(e *event.Event) bool { return e.Kind == 1 && e.CreatedAt < notes[1].CreatedAt })...)
		if _, eose := c.Ask(t, "x", `{"#g":["u33dc1"],"limit":7}`); slices.Concat(eose.Hints, []string{""})[0] != wire.HintMore {
			t.Errorf("the hint of a cut answer is %q", eose.Hints)
		}
		if _, eose := c.Ask(t, "x", `{"#g":["u33dc1"],"limit":20}`); slices.Concat(eose.Hints, []string{""})[0] != wire.HintFinish {
			t.Errorf("the hint of a whole answer is %q", eose.Hints)
		}
	})
}

// A relay list of BitChat's takes up what answers this.
func TestListingProbe(t *testing.T) {
	r := startBerlin(t)
	c := r.Dial(t)
	c.Say(t, `["REQ","probe",{"kinds":[1],"limit":1}]`)
	c.Hear(t, wire.EOSE)
	c.Say(t, `["CLOSE","probe"]`)
	listener := r.Dial(t)
	listener.Stored(t, "x", `{"kinds":[20000]}`)
	probe := alice.Sign(t, event.Event{Kind: 20000, Tags: tags([]string{"n", "test"}, []string{"g", "test"})})
	if ok := c.Send(t, probe); !ok.OK || ok.Text != "" {
		t.Errorf("the probe is answered %v %q", ok.OK, ok.Text)
	}
	if got := listener.Event(t, "x"); got.ID != probe.ID {
		t.Error("the probe was not passed on")
	}
	sameIDs(t, "the probe is not kept", c.Query(t, joining("test")))
	if n := r.Store.Stats().Events; n != 0 {
		t.Errorf("%d events are stored", n)
	}
}

// around is a cell and its neighbours, as JSON.
func around(cell string) string {
	text, _ := json.Marshal(append(geohash.Neighbours(cell), cell))
	return string(text)
}

// BitChat's location notes are asked for with the cells around; across the
// antimeridian and over the poles, too.
func TestLocationNotesOfNineCells(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		for _, place := range []struct{ lat, lon float64 }{{52.52, 13.4}, {-17, 179.99999}, {89.99999, 13}, {-89.99999, -179.99999}, {0, 0}} {
			cell := geohash.Encode(place.lat, place.lon, 8)
			var notes []*event.Event
			for i, hash := range append(geohash.Neighbours(cell), cell) {
				notes = append(notes, alice.Sign(t, event.Event{Kind: 1, CreatedAt: time.Now().Unix() - int64(i), Content: cell, Tags: tags(
					[]string{"g", hash}, []string{"n", "nick"}, []string{"expiration", fmt.Sprint(time.Now().Unix() + 86400)}, []string{"t", "urgent"})}))
			}
			far := alice.Note(t, "far", event.Tag{"g", geohash.Neighbours(geohash.Neighbours(cell)[2])[2]})
			if !strings.Contains(around(cell), far.Tags[0][1]) {
				c.Accepted(t, far)
			}
			c.Accepted(t, notes...)
			filter := `{"kinds":[1],"#g":` + around(cell) + `,"limit":200}`
			sameIDs(t, cell, c.Query(t, filter), notes...)
			c.Accepted(t, deletion(t, alice, 0, eTag(notes[0])))
			sameIDs(t, cell+", one deleted", c.Query(t, filter), notes[1:]...)
		}
	})
}

// Amethyst writes a ladder: every precision finds it, exactly.
func TestLadderIsFoundAtEveryPrecision(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		var ladder []event.Tag
		for n := 8; n > 0; n-- {
			ladder = append(ladder, event.Tag{"g", "u33dc1v0"[:n]})
		}
		e, exact := alice.Note(t, "a ladder", ladder...), bob.Note(t, "one cell", event.Tag{"g", "u33dc1v0"})
		c.Accepted(t, e, exact)
		for n := 1; n < 8; n++ {
			sameIDs(t, "exact", c.Query(t, fmt.Sprintf(`{"#g":[%q]}`, "u33dc1v0"[:n])), e)
			if n := c.Count(t, fmt.Sprintf(`{"#g":["%s*"]}`, "u33dc1v0"[:n])); n != 2 {
				t.Errorf("the region of %d characters has %d events", n, n)
			}
		}
		if got := c.Query(t, `{"#g":["u33dc1v0"]}`); len(got) != 2 {
			t.Errorf("the cell itself has %d events", len(got))
		}
	})
}

func TestWhatIsNoPlace(t *testing.T) {
	r := startBerlin(t)
	c := r.Dial(t)
	repo := alice.Sign(t, event.Event{Kind: 30617, Tags: tags([]string{"d", "repo"}, []string{"g", "wss://grasp.example"})})
	servers := alice.Sign(t, event.Event{Kind: 10317, Tags: tags([]string{"g", "wss://grasp.example"})})
	c.Accepted(t, repo, servers)
	if got := c.Query(t, `{"#g":["wss://grasp.example"]}`); len(got) != 2 {
		t.Errorf("a URL finds %d events", len(got))
	}
	sameIDs(t, "as a region", c.Query(t, `{"#g":["w*"]}`))
	mesh := alice.Sign(t, event.Event{Kind: 20000, Tags: tags([]string{"r", "u33dc1"}, []string{"m", "id", "sender", "1"})})
	there := alice.Sign(t, event.Event{Kind: 20000, Tags: tags([]string{"r", "9q8yyk"}, []string{"m", "id", "sender", "2"})})
	c.Accepted(t, mesh, there)
	asking := fmt.Sprintf(`{"kinds":[20000,20001],"#r":["u33dc1","9q8yyk"],"since":%d}`, time.Now().Unix()-3600)
	sameIDs(t, "the mesh", c.Query(t, asking), mesh)
	c.Refused(t, alice.Note(t, "elsewhere", event.Tag{"g", "9q8yy"}), "blocked: only notes within u33 (Berlin)")
	c.Refused(t, alice.Note(t, "nowhere"), `blocked: only notes within u33 (Berlin) are accepted; add a "g" tag`)
}

// Regions find what their definition says, stored, live and counted.
func TestRegionsAgreeWithTheirDefinitionEverywhere(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		rnd := rand.New(rand.NewPCG(1, 2))
		hash := func() string {
			return "u33dc"[:1+rnd.IntN(5)] + []string{"", "", "0", "z1", "a"}[rnd.IntN(5)]
		}
		c, live := r.Dial(t), r.Dial(t)
		type question struct {
			text   string
			filter *event.Filter
			heard  int
		}
		var questions []*question
		for i := range 24 {
			name, before := placeTag(i)
			text := fmt.Sprintf(`{"#%s":["%s%s*","%[2]s%s%s"]`, name, before, hash(), hash(), []string{"", "*"}[rnd.IntN(2)]) + []string{`}`, `,"kinds":[1,7]}`}[rnd.IntN(2)]
			f, err := event.ParseFilter([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			questions = append(questions, &question{text: text, filter: f})
			live.Stored(t, fmt.Sprint(i), text)
		}
		var all []*event.Event
		for i := range 150 {
			e := event.Event{Kind: uint16([]int{1, 7, 30000}[rnd.IntN(3)]), CreatedAt: int64(1000 + i), Tags: tags([]string{"d", fmt.Sprint(i)})}
			for range rnd.IntN(3) {
				name, before := placeTag(rnd.IntN(5))
				e.Tags = append(e.Tags, event.Tag{name, before + hash()})
			}
			all = append([]*event.Event{alice.Sign(t, e)}, all...)
			c.Accepted(t, all[0])
		}
		for _, m := range live.UpToNow(t) {
			reply, err := wire.ParseReply([]byte(m))
			var n int
			if _, err2 := fmt.Sscan(reply.SubID, &n); err != nil || err2 != nil {
				t.Fatalf("heard %s", m)
			}
			questions[n].heard++
		}
		for _, q := range questions {
			var want []*event.Event
			for _, e := range all {
				if slices.ContainsFunc(e.Tags, func(t event.Tag) bool { return within(q.text, t) }) && (q.filter.Kinds == nil || q.filter.HasKind(e.Kind)) {
					want = append(want, e)
				}
			}
			sameIDs(t, q.text, c.Query(t, q.text), want...)
			if n := c.Count(t, q.text); n != len(want) {
				t.Errorf("%s: COUNT says %d, want %d", q.text, n, len(want))
			}
			if q.heard != len(want) {
				t.Errorf("%s: %d came live, want %d", q.text, q.heard, len(want))
			}
		}
	})
}

// placeTag is the n-th way to name a place: the tag, and what stands before the
// geohash.
func placeTag(n int) (name, before string) {
	switch n % 5 {
	case 3:
		return "i", "geo:"
	case 4:
		return "I", "geo:"
	}
	return "g", ""
}

// within is the definition: the tag has the name that the filter asks for, and
// its value is one of the filter's, or a geohash that begins with one that has a
// * behind it; in i and I both have geo: before them.
func within(filter string, tag event.Tag) bool {
	var f map[string]json.RawMessage
	var values []string
	if json.Unmarshal([]byte(filter), &f) != nil || json.Unmarshal(f["#"+tag[0]], &values) != nil {
		return false
	}
	return slices.ContainsFunc(values, func(v string) bool {
		region, ok := strings.CutSuffix(strings.TrimPrefix(v, "geo:"), "*")
		hash := strings.TrimPrefix(tag[1], "geo:")
		return v == tag[1] || ok && geohash.Valid(region) && geohash.Valid(hash) && strings.HasPrefix(hash, region)
	})
}

func TestTheDocumentTellsThePlace(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Chain: berlin(t), Config: func(cfg *relay.Config) { replaying(cfg); cfg.Geo.HTTP = true }})
	want := `"geo":{"regions":true,"area":{"name":"Berlin","geohashes":["u33"]},"replay_seconds":900,"http":true}`
	if _, doc := get(t, r, "GET", "/", "Accept", "application/nostr+json"); !strings.Contains(doc, want) {
		t.Errorf("no %s in %s", want, doc)
	}
	if _, doc := get(t, r, "GET", "/", "Accept", "application/nostr+json"); !strings.Contains(doc, `"description":"A Nostr relay for u33 (Berlin)."`) {
		t.Errorf("the area is not described: %s", doc)
	}
	if _, doc := get(t, start(t, nil), "GET", "/", "Accept", "application/nostr+json"); !strings.Contains(doc, `"geo":{"regions":true}`) {
		t.Errorf("%s", doc)
	}
}

// ownArea is a policy that a relay's author has written.
type ownArea struct{ area *geo.Area }

func (ownArea) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}
func (p ownArea) Area() *geo.Area { return p.area }
func (ownArea) AreaName() string  { return "Berlin" }
func (ownArea) Where() string     { return "the zoo" }

func TestTheAreaMayBeThatOfAnyPolicy(t *testing.T) {
	cell, err := geo.Prefix("u33")
	if err != nil {
		t.Fatal(err)
	}
	area, err := geo.Compile([]geo.Shape{cell}, nil)
	if err != nil {
		t.Fatal(err)
	}
	observed := policy.Named{Name: "observed", Mode: policy.Observe, Policy: ownArea{area}}
	for _, c := range []struct {
		link policy.Named
		told bool
	}{{policy.Named{Name: "own", Policy: ownArea{area}}, true}, {observed, false}} {
		r := relaytest.Start(t, relaytest.Options{Chain: policy.NewChain(nil, c.link)})
		_, doc := get(t, r, "GET", "/", "Accept", "application/nostr+json")
		for _, want := range []string{`"area":{"name":"Berlin","geohashes":["u33"]}`, `"description":"A Nostr relay for the zoo."`} {
			if strings.Contains(doc, want) != c.told {
				t.Errorf("%s: %s is in the document: %v, want %v", c.link.Name, want, !c.told, c.told)
			}
		}
	}
}
