package relay_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy/storage/vector"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/nips/wire"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store"
)

// synced is what a client has found out.
type synced struct {
	have, need []string // ids that only the client has, that only the relay has; sorted
	longest    int      // NEG-MSG, bytes before hex
}

// syncWith reconciles own events with the relay's through the socket, with
// go-nostr's client.
func syncWith(t testing.TB, c *relaytest.Client, filter string, own []*event.Event, frame int) (s synced) {
	t.Helper()
	v := vector.New()
	for _, e := range own {
		v.Insert(nostr.Timestamp(e.CreatedAt), e.ID.String())
	}
	v.Seal()
	client := negentropy.New(v, frame)
	var gather sync.WaitGroup
	collect := func(from chan string, to *[]string) {
		gather.Go(func() {
			for id := range from {
				*to = append(*to, id)
			}
		})
	}
	collect(client.Haves, &s.have)
	collect(client.HaveNots, &s.need)
	c.Say(t, `["NEG-OPEN","sync",%s,"%s"]`, filter, client.Start())
	for {
		m := c.Hear(t, wire.NegMsg)
		if m.SubID != "sync" {
			t.Fatalf("NEG-MSG of %q", m.SubID)
		}
		s.longest = max(s.longest, len(m.Text)/2)
		next, err := client.Reconcile(m.Text)
		if err != nil {
			t.Fatal(err)
		}
		if next == "" {
			break
		}
		c.Say(t, `["NEG-MSG","sync","%s"]`, next)
	}
	c.Say(t, `["NEG-CLOSE","sync"]`)
	gather.Wait()
	slices.Sort(s.have)
	slices.Sort(s.need)
	// What did not fit into an answer may be looked at twice.
	s.have, s.need = slices.Compact(s.have), slices.Compact(s.need)
	return s
}

func sortedIDs(events ...*event.Event) []string {
	var list []string
	for _, e := range events {
		list = append(list, e.ID.String())
	}
	slices.Sort(list)
	return list
}

// without returns the sorted ids of a that are not those of b.
func without(a, b []*event.Event) []string {
	others := sortedIDs(b...)
	return slices.DeleteFunc(sortedIDs(a...), func(id string) bool { _, has := slices.BinarySearch(others, id); return has })
}

// relayHas fails unless a client without events learns of exactly want.
func relayHas(t *testing.T, what string, c *relaytest.Client, filter string, want ...*event.Event) {
	t.Helper()
	if got := syncWith(t, c, filter, nil, 0); !slices.Equal(got.need, sortedIDs(want...)) {
		t.Errorf("%s: %d events, want %d", what, len(got.need), len(want))
	}
}

// fill stores n notes of few seconds, as if they had been accepted.
func fill(t testing.TB, st store.Store, n int) []*event.Event {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(n)))
	list := make([]*event.Event, n)
	for i := range list {
		e := event.Event{Kind: 1, CreatedAt: 1_700_000_000 + r.Int64N(int64(n)), Content: fmt.Sprint(i), PubKey: alice.PubKey}
		e.ID = event.ComputeID(&e)
		parsed, err := event.ParseTrusted(e.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		list[i] = parsed
	}
	for batch := range slices.Chunk(list, 1000) {
		if _, err := st.Commit(context.Background(), 1_700_000_000, batch); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// negErr says something and expects a NEG-ERR of that id with such a text.
func negErr(t *testing.T, c *relaytest.Client, id, prefix, message string) string {
	t.Helper()
	c.Say(t, "%s", message)
	m := c.Next(t)
	if !strings.HasPrefix(m, `["NEG-ERR","`+id+`","`+prefix) {
		t.Fatalf("%.100s: want NEG-ERR %s %q, heard %.200s", message, id, prefix, m)
	}
	return m
}

func TestNIP77BothSidesFindTheDifference(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			st := open(t)
			all := fill(t, st, 3000)
			for _, frame := range []int{4096, 250_000} {
				r := relaytest.Start(t, relaytest.Options{Store: st, Config: func(c *relay.Config) { c.Sync.FrameBytes = frame }})
				c := r.Dial(t)
				extra := []*event.Event{bob.Note(t, "a"), bob.Sign(t, event.Event{Kind: 1, CreatedAt: 1_700_001_000, Content: "b"})}
				for _, own := range [][]*event.Event{nil, all, all[:2990], append(slices.Clone(all[7:]), extra...), extra} {
					for _, clients := range []int{0, 4096} {
						what := fmt.Sprintf("NIP77.4 frames of %d and %d, %d own events", frame, clients, len(own))
						got := syncWith(t, c, `{}`, own, clients)
						if want := without(all, own); !slices.Equal(got.need, want) {
							t.Errorf("%s: the relay has %d more, want %d", what, len(got.need), len(want))
						}
						if want := without(own, all); !slices.Equal(got.have, want) {
							t.Errorf("%s: the client has %d more, want %d", what, len(got.have), len(want))
						}
						if got.longest > frame {
							t.Errorf("%s: an answer of %d bytes", what, got.longest)
						}
					}
				}
				r.Stop()
			}
		})
	}
}

func TestNIP77TheSetIsWhatTheClientMaySee(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		now := r.Now().Unix()
		notes := series(t, c, alice, 7)
		relayHas(t, "all", c, `{}`, notes...)
		relayHas(t, "NDK's list of one", c, `[{"kinds":[1]}]`, notes...)
		relayHas(t, "NIP77.8 the newest", c, `{"limit":3}`, notes[:3]...)
		relayHas(t, "NIP77.8 limit 0", c, `{"limit":0}`)
		relayHas(t, "no filter finds it", c, `{"kinds":[7]}`)

		expiring := alice.Sign(t, event.Event{Kind: 1, CreatedAt: 5000, Tags: tags([]string{"expiration", fmt.Sprint(now + 100)})})
		c.Accepted(t, expiring)
		relayHas(t, "not expired yet", c, `{"since":4000,"until":5000}`, expiring)
		r.Advance(101 * time.Second)
		relayHas(t, "NIP77.4 expired", c, `{}`, notes...)
		c.Accepted(t, alice.Sign(t, event.Event{Kind: 5, CreatedAt: 6000, Tags: tags([]string{"e", notes[0].ID.String()})}))
		relayHas(t, "NIP77.4 deleted", c, `{"kinds":[1]}`, notes[1:]...)

		wrap := carol.Sign(t, event.Event{Kind: 1059, CreatedAt: 2, Tags: tags([]string{"p", bob.Hex()})})
		c.Accepted(t, wrap)
		relayHas(t, "NIP17.4 others' messages", c, `{"kinds":[1,1059]}`, notes[1:]...)
		c.Say(t, `["NEG-OPEN","x",{"kinds":[1059]},"61"]`)
		if m := c.Hear(t, wire.NegErr); m.SubID != "x" || m.Reason() != "auth-required" {
			t.Errorf("NIP17.1 %+v", m)
		}
		c.Authenticate(t, bob, "")
		relayHas(t, "NIP17.4 their recipient", c, `{"kinds":[1059]}`, wrap)
	})
}

func TestNIP77TheMaximumLimitsOfREQsDoNotHold(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Limit, c.Limits.DefaultLimit = 3, 2 })
	c := r.Dial(t)
	all := series(t, c, alice, 8)
	relayHas(t, "NIP77.4 no limit", c, `{}`, all...)
	relayHas(t, "NIP77.8 its own limit", c, `{"limit":5}`, all[:5]...)
}

func TestNIP77Messages(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	e := series(t, c, alice, 1)[0]
	c.Stored(t, "n", `{"kinds":[1]}`)

	// NIP77.1: ids are apart from those of REQs.
	everything := "61" + "00" + "00" + "02" + "00"
	listed := `["NEG-MSG","n","61` + "0000" + "02" + "01" + e.ID.String() + `"]`
	c.Say(t, `["NEG-OPEN","n",{},"%s"]`, everything)
	if m := c.Next(t); m != listed {
		t.Errorf("NIP77.1: %s", m)
	}
	live := bob.Note(t, "live")
	r.Dial(t).Accepted(t, live)
	if got := c.Event(t, "n"); got.ID != live.ID {
		t.Errorf("NIP77.1: %s", got.Raw)
	}
	// After an answer that leaves nothing to ask it is over; a NEG-OPEN by the same
	// id begins again.
	negErr(t, c, "n", "closed: ", `["NEG-MSG","n","`+everything+`"]`)
	c.Say(t, `["NEG-OPEN","n",{"kinds":[1],"authors":["%s"]},"%s"]`, bob.Hex(), everything)
	if m := c.Next(t); !strings.Contains(m, live.ID.String()) || strings.Contains(m, e.ID.String()) {
		t.Errorf("NIP77.1: opened again: %s", m)
	}
	c.Say(t, `["NEG-CLOSE","n"]`) // is silent
	c.Say(t, `["NEG-CLOSE","unknown"]`)
	negErr(t, c, "n", "closed: ", `["NEG-MSG","n","61"]`) // NIP77.2
	c.Say(t, `["CLOSE","n"]`)
	c.Quiet(t)

	// NIP77.3: what version is spoken here, and then it goes on in it.
	c.Say(t, `["NEG-OPEN","v",{"until":2000},"62ffff"]`)
	if m := c.Next(t); m != `["NEG-MSG","v","61"]` {
		t.Errorf("NIP77.3: %s", m)
	}
	c.Say(t, `["NEG-MSG","v","60"]`)
	if m := c.Next(t); m != `["NEG-MSG","v","61"]` {
		t.Errorf("NIP77.3: %s", m)
	}
	c.Say(t, `["NEG-MSG","v","%s"]`, everything)
	if m := c.Next(t); m != strings.Replace(listed, `"n"`, `"v"`, 1) {
		t.Errorf("NIP77.3: %s", m)
	}
}

func TestNIP77MalformedMessagesEndTheSync(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Sync.Sessions = 1 })
	c := r.Dial(t)
	series(t, c, alice, 3)
	for name, message := range map[string]string{
		"nothing":         "",
		"not hex":         "6x",
		"half a byte":     "610",
		"endless number":  "61" + strings.Repeat("80", 10_000),
		"2^60 ids":        "61000002908080808080808000",
		"descending":      "610501ff00" + "0101fe00",
		"the time 2^64-1": "6181ffffffffffffffff7f0000020000",
	} {
		negErr(t, c, "m", "invalid: ", `["NEG-OPEN","m",{},"`+message+`"]`)
		c.Say(t, `["NEG-OPEN","m",{},"61"]`)
		if m := c.Next(t); m != `["NEG-MSG","m","61"]` {
			t.Errorf("%s: %s", name, m)
		}
		negErr(t, c, "m", "invalid: ", `["NEG-MSG","m","`+message+`"]`)
		negErr(t, c, "m", "closed: ", `["NEG-MSG","m","61"]`) // NIP77.6
	}
	c.Say(t, `["NEG-OPEN","m",{},"61"]`)
	c.Hear(t, wire.NegMsg)
	negErr(t, c, "m", "invalid: ", `["NEG-MSG","m"]`)
	negErr(t, c, "m", "closed: ", `["NEG-MSG","m","61"]`)
	c.Say(t, `["NEG-OPEN","m",{},"61"]`)
	c.Hear(t, wire.NegMsg)
	negErr(t, c, "m", "invalid: ", `["NEG-OPEN","m",[{},{}],"61"]`)
	negErr(t, c, "m", "closed: ", `["NEG-MSG","m","61"]`)
	negErr(t, c, "m", "unsupported: ", `["NEG-OPEN","m",{"search":"x"},"61"]`)
	values := []byte(`"0"`)
	for i := range 5000 {
		values = fmt.Appendf(values, `,"%d"`, i+1)
	}
	negErr(t, c, "m", "invalid: ", `["NEG-OPEN","m",{"#t":[`+string(values)+`]},"61"]`)
	relaytest.Eventually(t, "no sync is open", func() bool { return r.Metric(t, "moa_syncs") == 0 })
}

func TestNIP77AsManyEventsAsAllowed(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Sync.Events, c.Sync.TotalEvents = 5, 8 })
	c := r.Dial(t)
	all := series(t, c, alice, 6)
	relayHas(t, "NIP77.5 exactly as many", c, `{"limit":5}`, all[:5]...)
	relayHas(t, "NIP77.5 exactly as many", c, `{"since":1001}`, all[:5]...)
	m := negErr(t, c, "n", "blocked: ", `["NEG-OPEN","n",{},"61"]`)
	if !strings.HasSuffix(m, `",5]`) {
		t.Errorf("NIP77.2 no maximum in %s", m)
	}
	negErr(t, c, "n", "closed: ", `["NEG-MSG","n","61"]`)

	// All that are open, of any client.
	held := func(want float64) {
		t.Helper()
		relaytest.Eventually(t, fmt.Sprint(want, " events are held"), func() bool { return r.Metric(t, "moa_sync_events") == want })
	}
	held(0)
	other := r.Dial(t)
	other.Say(t, `["NEG-OPEN","a",{"limit":5},"61"]`)
	other.Hear(t, wire.NegMsg)
	held(5)
	relayHas(t, "the rest of all", c, `{"limit":3}`, all[:3]...)
	negErr(t, c, "n", "rate-limited: ", `["NEG-OPEN","n",{"limit":4},"61"]`)
	held(5)
	other.Close()
	relaytest.Eventually(t, "the room of clients that have gone", func() bool { return r.Metric(t, "moa_sync_events") == 0 })
	relayHas(t, "again", c, `{"limit":5}`, all[:5]...)
}

func TestNIP77SyncsOfOneConnection(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Sync.Sessions = 2 })
	c := r.Dial(t)
	for _, id := range []string{"a", "b", "a"} {
		c.Say(t, `["NEG-OPEN","%s",{},"61"]`, id)
		c.Hear(t, wire.NegMsg)
	}
	negErr(t, c, "c", "rate-limited: ", `["NEG-OPEN","c",{},"61"]`)
	c.Say(t, `["NEG-CLOSE","b"]`)
	c.Say(t, `["NEG-OPEN","c",{},"61"]`)
	c.Hear(t, wire.NegMsg)
	relaytest.Eventually(t, "two syncs are open", func() bool { return r.Metric(t, "moa_syncs") == 2 })
}

func TestNIP77SilentClientsLoseTheirSyncs(t *testing.T) {
	r, silence := patientWithSyncs(t, nil, func(*relay.Config) {})
	c := r.Dial(t)
	c.Say(t, `["NEG-OPEN","a",{"kinds":[1]},"61"]`)
	c.Hear(t, wire.NegMsg)
	silence()
	if m := c.Hear(t, wire.NegErr); m.SubID != "a" || m.Reason() != "closed" {
		t.Errorf("NIP77.6: %+v", m)
	}
	negErr(t, c, "a", "closed: ", `["NEG-MSG","a","61"]`)
}

// patientWithSyncs is a relay whose clients may be silent until silence is called,
// and then for a moment only. A reload ends what asks for private kinds, too.
func patientWithSyncs(t *testing.T, st store.Store, change func(*relay.Config)) (r *relaytest.Relay, silence func()) {
	t.Helper()
	cfg := relaytest.Config()
	change(&cfg)
	cfg.Sync.Idle = 8 * time.Second // a quarter of it passes until the relay sees the change
	chain := policy.NewChain(nil, builtin.Defaults(policy.Env{})...)
	r = relaytest.Start(t, relaytest.Options{Store: st, Chain: chain, Config: func(c *relay.Config) { *c = cfg }})
	return r, func() {
		t.Helper()
		cfg.Sync.Idle = 100 * time.Millisecond
		if err := r.Server.Reload(cfg, chain); err != nil {
			t.Fatal(err)
		}
	}
}

// A client that says something new again and again has a sync for so long and no
// longer.
func TestNIP77NoSyncIsEndless(t *testing.T) {
	st := stores["memory"](t)
	fill(t, st, 1000)
	r := relaytest.Start(t, relaytest.Options{Store: st, Config: func(c *relay.Config) { c.Sync.Idle = 100 * time.Millisecond }})
	c := r.Dial(t)
	c.Say(t, `["NEG-OPEN","a",{},"%s"]`, asksOn)
	c.Hear(t, wire.NegMsg)
	said := 0
	testwait.Eventually(t, "the sync ends", func() bool {
		said++
		c.Say(t, `["NEG-MSG","a","61000001%032x"]`, said)
		m := c.Next(t)
		return strings.HasPrefix(m, `["NEG-ERR","a","closed: `)
	})
	if held(t, r, "syncs") != 0 {
		t.Error("its events are held")
	}
}

func TestNIP77MayBeTurnedOff(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Sync.Enabled = false })
	c := r.Dial(t)
	negErr(t, c, "n", "blocked: ", `["NEG-OPEN","n",{},"61"]`)
	negErr(t, c, "n", "closed: ", `["NEG-MSG","n","61"]`)
	c.Say(t, `["NEG-CLOSE","n"]`)
	c.Quiet(t)
}

// While a set is gathered no other client waits for it, and one that closes it or
// goes away is not waited for either.
func TestNIP77GatheringHoldsNobodyUp(t *testing.T) {
	st := &gatedStore{Store: stores["memory"](t), gate: make(chan struct{})}
	all := fill(t, st.Store, 3000)
	r := relaytest.Start(t, relaytest.Options{Store: st})
	c, gone := r.Dial(t), r.Dial(t)
	for _, id := range []string{"kept", "closed", "early"} {
		c.Say(t, `["NEG-OPEN","%s",{},"6100000200"]`, id)
		gone.Say(t, `["NEG-OPEN","%s",{},"6100000200"]`, id)
	}
	st.gate <- struct{}{} // a page
	c.Accepted(t, bob.Note(t, "meanwhile"))
	c.Say(t, `["NEG-CLOSE","closed"]`)
	negErr(t, c, "early", "invalid: ", `["NEG-MSG","early","61"]`)
	gone.Close()
	close(st.gate)
	m := c.Hear(t, wire.NegMsg)
	raw, _ := hex.DecodeString(m.Text)
	if m.SubID != "kept" || len(raw) < 32*len(all) {
		t.Errorf("an answer of %d bytes to %s", len(raw), m.SubID)
	}
	c.Quiet(t)
	relaytest.Eventually(t, "all are let go", func() bool {
		return r.Metric(t, "moa_syncs") == 0 && r.Metric(t, "moa_sync_events") == 0
	})
}

func TestNIP77IsAnnounced(t *testing.T) {
	for _, on := range []bool{true, false} {
		r := start(t, func(c *relay.Config) { c.Sync.Enabled = on })
		nips := document(t, r)["supported_nips"].([]any)
		if slices.Contains(nips, any(77.0)) != on {
			t.Errorf("enabled %v: %v", on, nips)
		}
	}
}

// A reconciliation takes what its events take, and gives it back.
func TestNIP77MemoryIsBounded(t *testing.T) {
	st := stores["memory"](t)
	const n = 12_000
	fill(t, st, n)
	r := relaytest.Start(t, relaytest.Options{Store: st})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	c := r.Dial(t)
	c.Say(t, `["NEG-OPEN","warm",{"limit":1},"61"]`)
	c.Hear(t, wire.NegMsg)
	before := heap()
	for i := range 3 {
		c.Say(t, `["NEG-OPEN","%d",{},"61"]`, i)
		c.Hear(t, wire.NegMsg)
	}
	if took := int64(heap()) - int64(before); took > 3*n*44+500_000 {
		t.Errorf("3 x %d events take %d bytes", n, took)
	}
	for i := range 3 {
		c.Say(t, `["NEG-CLOSE","%d"]`, i)
	}
	c.Quiet(t)
	if left := int64(heap()) - int64(before); left > 500_000 {
		t.Errorf("%d bytes are left", left)
	}
}

// NIP01.24, 25, 33: the filter of a NEG-OPEN is held to what a REQ's is, and a
// refusal opens nothing.
func TestNIP77FiltersThatAreRefused(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	for filter, prefix := range map[string]string{
		`{"ids":["abcd"]}`: "invalid: ", `{"authors":["` + strings.ToUpper(alice.Hex()) + `"]}`: "invalid: ", `{"#ab":["x"]}`: "unsupported: ",
		`{"kind":[1]}`: "unsupported: ", `{"since":-1}`: "invalid: ", `[]`: "invalid: ", `"x"`: "invalid: ", `{"search":"x"}`: "unsupported: ",
	} {
		negErr(t, c, "n", prefix, `["NEG-OPEN","n",`+filter+`,"61"]`)
		negErr(t, c, "n", "closed: ", `["NEG-MSG","n","61"]`) // NIP77.6
	}
}

// asksOn is a NEG-OPEN's message whose answer has fingerprints if there are many
// events.
var asksOn = "61000001" + strings.Repeat("0", 32)

// Clients open a sync for each of their filters, dozens at once: all are
// answered, one after the other if there is no room for all, and those that are
// final hold nothing.
func TestNIP77BurstsWaitInLine(t *testing.T) {
	st := stores["memory"](t)
	fill(t, st, 1000)
	r := relaytest.Start(t, relaytest.Options{Store: st, Config: func(c *relay.Config) { c.Sync.Events, c.Sync.TotalEvents = 1000, 2500 }})
	c := r.Dial(t)
	const burst = 64
	for i := range burst {
		c.Say(t, `["NEG-OPEN","%d",{},"%s"]`, i, asksOn)
	}
	for range burst {
		m := c.Hear(t, wire.NegMsg)
		if n := r.Metric(t, "moa_sync_events"); n > 2500 {
			t.Fatalf("%v events are held", n)
		}
		c.Say(t, `["NEG-CLOSE","%s"]`, m.SubID)
	}
	relaytest.Eventually(t, "nothing is held", func() bool { return held(t, r, "syncs") == 0 && r.Metric(t, "moa_syncs") == 0 })
	for i := range burst {
		c.Say(t, `["NEG-OPEN","%d",{},"6100000200"]`, i) // final
	}
	for range burst {
		c.Hear(t, wire.NegMsg)
	}
	relaytest.Eventually(t, "nothing is held", func() bool { return held(t, r, "syncs") == 0 && held(t, r, "filters") == 0 })
}

// roomlessStore says when a sync has found no room, and lets it go on when told.
type roomlessStore struct {
	store.Store
	failed, goOn chan struct{}
}

func (s *roomlessStore) Scan(q store.Query) store.Scan {
	if !q.Bulk {
		return s.Store.Scan(q)
	}
	return &roomlessScan{s.Store.Scan(q), s}
}

type roomlessScan struct {
	store.Scan
	s *roomlessStore
}

func (c *roomlessScan) Next(ctx context.Context, page store.Page, found func(*store.Record) error) (store.Progress, error) {
	p, err := c.Scan.Next(ctx, page, found)
	if err != nil {
		c.s.failed <- struct{}{}
		<-c.s.goOn
	}
	return p, err
}

// A sync finds no room, and the one that has it ends before the first has said
// so: the first begins anew.
func TestNIP77RoomThatIsGivenBackMeanwhileIsTaken(t *testing.T) {
	st := &roomlessStore{Store: stores["memory"](t), failed: make(chan struct{}, 1), goOn: make(chan struct{})}
	fill(t, st, 1000)
	r := relaytest.Start(t, relaytest.Options{Store: st, Config: func(c *relay.Config) { c.Sync.Events, c.Sync.TotalEvents = 1000, 1500 }})
	c := r.Dial(t)
	c.Say(t, `["NEG-OPEN","first",{},"%s"]`, asksOn)
	c.Hear(t, wire.NegMsg)
	c.Say(t, `["NEG-OPEN","second",{},"%s"]`, asksOn)
	<-st.failed
	c.Say(t, `["NEG-CLOSE","first"]`)
	c.Quiet(t) // the relay has read that
	close(st.goOn)
	if m := c.Hear(t, wire.NegMsg); m.SubID != "second" {
		t.Errorf("an answer to %s", m.SubID)
	}
}

// One address cannot take the events of all, and a client that says nothing new is
// silent.
func TestNIP77AShareForOneAddress(t *testing.T) {
	st := stores["memory"](t)
	fill(t, st, 1000)
	r, silence := patientWithSyncs(t, st, func(c *relay.Config) {
		behindProxy(c)
		c.Sync.Events, c.Sync.TotalEvents = 1000, 4000
	})
	var greedy []*relaytest.Client
	for range 3 {
		c := dialAs(t, r, attacker)
		c.Say(t, `["NEG-OPEN","n",{"kinds":[1]},"%s"]`, asksOn)
		greedy = append(greedy, c)
	}
	answered := 0
	for _, c := range greedy {
		m := c.Next(t)
		switch {
		case strings.HasPrefix(m, `["NEG-MSG"`):
			answered++
		case !strings.HasPrefix(m, `["NEG-ERR","n","rate-limited: too many events are being synced from your address`):
			t.Errorf("%s", m)
		}
	}
	if answered > 1 || refused(t, r, "syncs", "address") == 0 {
		t.Errorf("%d were answered", answered)
	}
	other := dialAs(t, r, honest)
	other.Say(t, `["NEG-OPEN","n",{"kinds":[1]},"%s"]`, asksOn)
	other.Hear(t, wire.NegMsg)
	other.Say(t, `["NEG-CLOSE","n"]`)
	silence()
	testwait.Eventually(t, "a sync ends in which the same is said again and again", func() bool {
		for _, c := range greedy {
			c.Say(t, `["NEG-MSG","n","%s"]`, asksOn)
			c.Next(t)
		}
		return held(t, r, "syncs") == 0
	})
}
