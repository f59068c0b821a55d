package relay_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/testwait"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay"
	"moa/relay/relaytest"
)

func TestConnectionsAreLimited(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	r := start(t, func(c *relay.Config) {
		c.TrustedProxies = trusted
		c.Limits.Connections, c.Limits.ConnectionsPerIP = 8, 2
	})
	status := func(from string) int {
		c, resp, err := relaytest.TryDial(r.URL, "X-Forwarded-For", from)
		if err == nil {
			t.Cleanup(c.Close)
			return 101
		}
		if resp == nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	for i, want := range []int{101, 101, 429} {
		if got := status("203.0.113.7"); got != want {
			t.Errorf("connection %d of an address: %d", i+1, got)
		}
	}
	for i, from := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3"} {
		if got, want := status(from), []int{101, 101, 429}[i]; got != want {
			t.Errorf("connection %d of a /64: %d", i+1, got)
		}
	}
	// Behind a proxy, no client is taken for this machine's own: neither one that
	// is, nor what is no address and stands for the proxy.
	for i, from := range []string{"127.0.0.1", "9.9.9.9, garbage", "garbage"} {
		if got, want := status(from), []int{101, 101, 429}[i]; got != want {
			t.Errorf("connection %d from the proxy's address: %d", i+1, got)
		}
	}
	for _, from := range []string{"203.0.113.8", "203.0.113.8"} {
		if got := status(from); got != 101 {
			t.Errorf("another address: %d", got)
		}
	}
	if got := status("203.0.113.99"); got != 503 {
		t.Errorf("the ninth connection: %d", got)
	}
}

func TestPlacesAreGivenBack(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Connections = 4 })
	for range 50 {
		c := r.Dial(t)
		c.Stored(t, "x", `{}`)
		c.Close()
		if resp, _ := get(t, r, "GET", "/", "Upgrade", "websocket", "Connection", "Upgrade"); resp.StatusCode/100 != 4 {
			t.Fatalf("a broken handshake: %s", resp.Status)
		}
		relaytest.Eventually(t, "the place is free", func() bool { return r.Metric(t, "moa_connections") == 0 })
	}
	if n := r.Metric(t, "moa_subscriptions"); n != 0 {
		t.Errorf("%v subscriptions are left", n)
	}
}

// door is a ConnPolicy that notes who comes and goes.
type door struct {
	mu       sync.Mutex
	in, out  map[uint64]int
	who      []netip.Addr
	hosts    []string
	shut     bool
	rejected int
}

func (d *door) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}

func (d *door) Connect(_ context.Context, c policy.Client, r *http.Request) policy.Verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		d.rejected++
		return policy.Refuse(reason.Restricted, "closed today")
	}
	d.in[c.ID()]++
	d.who, d.hosts = append(d.who, c.IP()), append(d.hosts, c.Host())
	c.(interface{ Send([]byte) bool }).Send([]byte(`["NOTICE","welcome ` + r.Header.Get("X-Name") + `"]`))
	return policy.Verdict{}
}

func (d *door) Disconnect(c policy.Client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out[c.ID()]++
}

func TestPoliciesSeeConnectionsComeAndGoOnce(t *testing.T) {
	d := &door{in: map[uint64]int{}, out: map[uint64]int{}}
	r := relaytest.Start(t, relaytest.Options{Chain: policy.NewChain(nil, policy.Named{Name: "door", Policy: d})})
	for range 5 {
		c := r.Dial(t, "X-Name", "you", "Host", "Name.Example:80", "X-Forwarded-For", "203.0.113.7")
		if m := c.Next(t); m != `["NOTICE","welcome you"]` {
			t.Errorf("heard %s", m)
		}
		c.Close()
	}
	d.mu.Lock()
	d.shut = true
	d.mu.Unlock()
	if _, resp, err := relaytest.TryDial(r.URL); err == nil || resp == nil || resp.StatusCode != 403 {
		t.Errorf("a policy refuses: %v", err)
	}
	relaytest.Eventually(t, "all have gone", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.out) == 5
	})
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	for id, n := range d.out {
		if n != 1 || d.in[id] != 1 {
			t.Errorf("connection %d came %d times and went %d times", id, d.in[id], n)
		}
	}
	if d.who[0] != netip.MustParseAddr("127.0.0.1") || d.hosts[0] != "name.example" {
		t.Errorf("from %v to %q", d.who[0], d.hosts[0])
	}
}

// sleeper is a policy that is slow for one author.
type sleeper struct{ wake chan struct{} }

func (s sleeper) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if e.PubKey == alice.PubKey {
		<-s.wake
	}
	return policy.Verdict{}
}
func (sleeper) AfterSignature() {}

func TestASlowPolicyHoldsUpNobodyElse(t *testing.T) {
	p := sleeper{make(chan struct{})}
	r := relaytest.Start(t, relaytest.Options{Chain: policy.NewChain(nil, policy.Named{Name: "slow", Policy: p})})
	held, other := r.Dial(t), r.Dial(t)
	e := alice.Note(t, "slow")
	held.Publish(t, e)
	for i := range 20 {
		other.Accepted(t, bob.Note(t, strings.Repeat("x", i)))
	}
	other.Query(t, `{}`)
	close(p.wake)
	held.HearOK(t, e.ID.String())
}

// verdicts decides by content.
type verdicts struct{}

func (verdicts) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	switch e.Content {
	case "shadow":
		return policy.Verdict{Action: policy.Shadow}
	case "relay":
		return policy.Verdict{Action: policy.RelayOnly}
	case "reject":
		return policy.Refuse(reason.Mute, "no")
	}
	return policy.Verdict{}
}

func TestWhatVerdictsDo(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Chain: policy.NewChain(nil, policy.Named{Name: "verdicts", Policy: verdicts{}})})
	c, live := r.Dial(t), r.Dial(t)
	live.Stored(t, "all", `{}`)
	relayed, plain := alice.Note(t, "relay"), alice.Note(t, "plain")
	c.Accepted(t, alice.Note(t, "shadow"), relayed, plain)
	c.Refused(t, alice.Note(t, "reject"), "mute: no")
	sameIDs(t, "live", []*event.Event{live.Event(t, "all"), live.Event(t, "all")}, relayed, plain)
	live.Quiet(t)
	sameIDs(t, "stored", c.Query(t, `{}`), plain)
}

func TestReloadKeepsConnections(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	c.Stored(t, "open", `{}`)
	cfg := relaytest.Config()
	cfg.Info.Name, cfg.Limits.Subscriptions, cfg.Limits.ContentLength = "another", 1, 5
	chain := policy.NewChain(nil, policy.Named{Name: "verdicts", Policy: verdicts{}})
	if err := r.Server.Reload(cfg, chain); err != nil {
		t.Fatal(err)
	}
	if name := document(t, r)["name"]; name != "another" {
		t.Errorf("NIP-11 says %v", name)
	}
	c.Closed(t, "second", "rate-limited: ", `["REQ","second",{}]`)
	c.Refused(t, alice.Note(t, "longer"), "invalid: ")
	cfg.Limits.ContentLength = 100
	if err := r.Server.Reload(cfg, chain); err != nil {
		t.Fatal(err)
	}
	c.Refused(t, alice.Note(t, "reject"), "mute: ")
	e := alice.Note(t, "fine")
	c.Publish(t, e)
	c.HearOK(t, e.ID.String())
	c.Event(t, "open") // the subscription is still there
	cfg.Limits.Limit = 0
	if err := r.Server.Reload(cfg, chain); err == nil {
		t.Error("a broken config was taken")
	}
}

func TestTooManyCountsAtOnce(t *testing.T) {
	st := &gatedStore{Store: stores["memory"](t), gate: make(chan struct{})}
	r := relaytest.Start(t, relaytest.Options{Store: st, Config: func(c *relay.Config) { c.Limits.Counts = 3 }})
	c := r.Dial(t)
	c.Accepted(t, alice.Note(t, "n"))
	for _, id := range []string{"a", "b", "c"} {
		c.Say(t, `["COUNT","%s",{}]`, id)
	}
	c.Closed(t, "d", "rate-limited: ", `["COUNT","d",{}]`)
	close(st.gate)
	for _, id := range []string{"a", "b", "c"} {
		if m := c.Hear(t, wire.Count); m.SubID != id || m.Count != 1 {
			t.Errorf("want the count of %s, heard %d of %s", id, m.Count, m.SubID)
		}
	}
	if n := c.Count(t, `{}`); n != 1 {
		t.Errorf("counted %d", n)
	}
}

// Clients open all that they need when they connect: as many as may be open may
// also wait for their stored events at once.
func TestAllSubscriptionsMayBeOpenedAtOnce(t *testing.T) {
	st := &gatedStore{Store: stores["memory"](t), gate: make(chan struct{})}
	r := relaytest.Start(t, relaytest.Options{Store: st, Config: func(c *relay.Config) { c.Limits.Subscriptions = 20 }})
	c := r.Dial(t)
	c.Accepted(t, alice.Note(t, "n"))
	for i := range 20 {
		c.Say(t, `["REQ","%d",{}]`, i)
	}
	c.Closed(t, "more", "rate-limited: ", `["REQ","more",{}]`)
	c.Say(t, `["REQ","0",{"limit":0}]`) // replacing one needs no place
	c.Say(t, `["CLOSE","1"]`)           // gives one back
	c.Say(t, `["REQ","last",{}]`)
	c.Closed(t, "more", "rate-limited: ", `["REQ","more",{}]`)
	close(st.gate)
	var heard []string
	for eoses := 0; eoses < 20; { // UpToNow needs a place
		m := c.Next(t)
		heard = append(heard, m)
		if strings.HasPrefix(m, `["EOSE"`) {
			eoses++
		}
	}
	all := strings.Join(heard, "\n")
	for _, want := range []string{`["EOSE","0"`, `["EVENT","2"`, `["EVENT","19"`, `["EVENT","last"`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in\n%s", want, all)
		}
	}
	if strings.Contains(all, `"1"`) || strings.Contains(all, `["EVENT","0"`) {
		t.Errorf("heard of what was closed or replaced:\n%s", all)
	}
}

func TestOneConnectionsQueriesDoNotHoldUpAnothers(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Limit, c.Limits.DefaultLimit = 100_000, 100_000 })
	w := r.Dial(t)
	series(t, w, alice, 1000/scale)
	greedy, modest := r.Dial(t), r.Dial(t)
	for i := range 8 {
		greedy.Say(t, `["REQ","%d",{}]`, i)
	}
	begun := time.Now()
	modest.Query(t, `{"limit":1}`)
	testwait.Speed(t, "a small query behind large ones", time.Since(begun), 2*time.Second)
}
