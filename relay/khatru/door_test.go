package khatru

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fiatjaf/khatru"
	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
)

// fakeClient is a connection as the engine shows it to policies.
type fakeClient struct {
	id     uint64
	ip     string
	mu     sync.Mutex
	authed []event.PubKey
	sent   []string
}

func (c *fakeClient) ID() uint64        { return c.id }
func (c *fakeClient) IP() netip.Addr    { return netip.MustParseAddr(c.ip) }
func (c *fakeClient) Host() string      { return "relay.example" }
func (c *fakeClient) Path() string      { return "" }
func (c *fakeClient) Challenge() string { return "chal" }
func (c *fakeClient) Authed() []event.PubKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.authed
}

func (c *fakeClient) Send(m []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, string(m))
	return true
}
func (c *fakeClient) RequestAuth() { c.Send([]byte(`["AUTH","chal"]`)) }
func (c *fakeClient) prove(pk event.PubKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.authed = append(c.authed, pk)
}

func open(t testing.TB, setup func(*khatru.Relay)) *Door {
	t.Helper()
	rl := khatru.NewRelay()
	setup(rl)
	d, err := New(rl, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func connect(t testing.TB, d *Door, c *fakeClient, header ...string) {
	t.Helper()
	r := httptest.NewRequest("GET", "http://relay.example/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if v := d.Connect(context.Background(), c, r); v.Action != policy.Accept {
		t.Fatal(v)
	}
}

func TestHelpersSeeOurConnection(t *testing.T) {
	var ip, sub, authed string
	d := open(t, func(rl *khatru.Relay) {
		rl.OnConnect = append(rl.OnConnect, khatru.RequestAuth)
		rl.RejectFilter = append(rl.RejectFilter, func(ctx context.Context, _ nostr.Filter) (bool, string) {
			ip, sub, authed = khatru.GetIP(ctx), khatru.GetSubscriptionID(ctx), khatru.GetAuthed(ctx)
			return authed == "", "auth-required: who are you"
		})
	})
	c := &fakeClient{id: 7, ip: "203.0.113.9"}
	connect(t, d, c, "X-Forwarded-For", "8.8.8.8")
	if len(c.sent) != 1 || c.sent[0] != `["AUTH","chal"]` {
		t.Fatalf("RequestAuth wrote %q", c.sent)
	}
	ctx := policy.WithSubID(context.Background(), "feed")
	if v := d.Filter(ctx, c, &event.Filter{HasLimit: true}); v.Reason != reason.AuthRequired || v.Text != "who are you" {
		t.Fatal(v)
	}
	pk := event.PubKey{1, 2, 3}
	c.prove(pk)
	if v := d.Filter(ctx, c, &event.Filter{}); v.Action != policy.Accept {
		t.Fatal(v)
	}
	if ip != "203.0.113.9" || sub != "feed" || authed != pk.String() {
		t.Fatalf("ip=%q sub=%q authed=%q", ip, sub, authed)
	}
}

func TestDisconnectRunsOnceAndEndsTheContext(t *testing.T) {
	var n atomic.Int32
	var kept context.Context
	d := open(t, func(rl *khatru.Relay) {
		rl.OnConnect = append(rl.OnConnect, func(ctx context.Context) { kept = ctx })
		rl.OnDisconnect = append(rl.OnDisconnect, func(ctx context.Context) {
			if ctx.Err() != nil {
				t.Error("the context has ended before OnDisconnect")
			}
			n.Add(1)
		})
	})
	c := &fakeClient{id: 1, ip: "127.0.0.1"}
	connect(t, d, c)
	d.Disconnect(c)
	d.Disconnect(c)
	if n.Load() != 1 || kept.Err() == nil {
		t.Fatalf("OnDisconnect ran %d times, context: %v", n.Load(), kept.Err())
	}
}

func TestAuthWakesAWaitingHook(t *testing.T) {
	woken := make(chan string, 1)
	d := open(t, func(rl *khatru.Relay) {
		rl.OnConnect = append(rl.OnConnect, func(ctx context.Context) {
			ws := khatru.GetConnection(ctx)
			go func() { <-ws.Authed; woken <- khatru.GetAuthed(ctx) }()
		})
	})
	c := &fakeClient{id: 1, ip: "127.0.0.1"}
	connect(t, d, c)
	c.prove(event.PubKey{1})
	d.Authenticated(c)
	c.prove(event.PubKey{2})
	d.Authenticated(c) // a second key must not close the channel again
	if <-woken == "" {
		t.Fatal("woken without an identity")
	}
}

func TestHooksThatNeedKhatrusStoreAreRefusedByName(t *testing.T) {
	rl := khatru.NewRelay()
	rl.QueryEvents = append(rl.QueryEvents, func(context.Context, nostr.Filter) (chan *nostr.Event, error) { return nil, nil })
	if _, err := New(rl, Options{}); err == nil || !strings.Contains(err.Error(), "QueryEvents") {
		t.Fatal(err)
	}
	if _, err := New(khatru.NewRouter().Relay, Options{}); err == nil || !strings.Contains(err.Error(), "Router") {
		t.Fatal(err)
	}
}

func TestRejectConnectionSeesTheTrustedAddress(t *testing.T) {
	d := open(t, func(rl *khatru.Relay) {
		rl.RejectConnection = append(rl.RejectConnection, func(r *http.Request) bool {
			return khatru.GetIPFromRequest(r) == "203.0.113.66"
		})
	})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Forwarded-For", "8.8.8.8")
	v := d.Connect(context.Background(), &fakeClient{id: 1, ip: "203.0.113.66"}, r)
	if v.Reason != reason.RateLimited {
		t.Fatal(v)
	}
}

func TestOverwriteFilterNarrowsACopy(t *testing.T) {
	d := open(t, func(rl *khatru.Relay) {
		rl.OverwriteFilter = append(rl.OverwriteFilter, func(_ context.Context, f *nostr.Filter) {
			f.Kinds = []int{1}
			f.Search = ""
		})
	})
	f := &event.Filter{Kinds: []uint16{1, 4}, Search: "x", HasLimit: true}
	got := d.Rewrite(context.Background(), &fakeClient{id: 1, ip: "127.0.0.1"}, f)
	if len(got.Kinds) != 1 || got.Search != "" || !got.HasLimit || got.Limit != 0 || len(f.Kinds) != 2 {
		t.Fatalf("%s from %s", got.Append(nil), f.Append(nil))
	}
}

func TestAHookCannotChangeTheEvent(t *testing.T) {
	d := open(t, func(rl *khatru.Relay) {
		rl.RejectEvent = append(rl.RejectEvent, func(_ context.Context, e *nostr.Event) (bool, string) {
			e.Tags[0][1], e.Content = "changed", "changed"
			return false, ""
		})
	})
	e := &event.Event{Kind: 1, Tags: []event.Tag{{"t", "kept"}}, Content: "kept"}
	d.Event(context.Background(), &fakeClient{id: 1, ip: "127.0.0.1"}, e)
	if e.Tags[0][1] != "kept" || e.Content != "kept" {
		t.Fatal(e.Tags, e.Content)
	}
}

func TestFilterGoesThereAndBack(t *testing.T) {
	for _, in := range []string{
		`{}`, `{"limit":0}`, `{"limit":7}`, `{"ids":[]}`, `{"since":5,"until":9}`, `{"until":0}`,
		`{"authors":["` + strings.Repeat("ab", 32) + `"],"kinds":[0,65535],"#t":["a","b"],"#E":["x"],"search":"hi"}`,
	} {
		f, err := event.ParseFilter([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		got, err := fromKhatruFilter(toKhatruFilter(f))
		if err != nil {
			t.Fatal(in, err)
		}
		if string(got.Append(nil)) != string(f.Append(nil)) {
			t.Errorf("%s became %s", f.Append(nil), got.Append(nil))
		}
	}
}

func TestLimitZeroWinsOverALimit(t *testing.T) {
	f, err := fromKhatruFilter(nostr.Filter{Limit: 50, LimitZero: true})
	if err != nil || !f.HasLimit || f.Limit != 0 {
		t.Fatal(f, err)
	}
}

func TestARewrittenFilterThatIsNoneFindsNothing(t *testing.T) {
	d := open(t, func(rl *khatru.Relay) {
		rl.Log.SetOutput(io.Discard)
		rl.OverwriteFilter = append(rl.OverwriteFilter, func(_ context.Context, f *nostr.Filter) { f.IDs = []string{"x"} })
	})
	if f := d.Rewrite(context.Background(), &fakeClient{id: 1, ip: "127.0.0.1"}, &event.Filter{}); !f.Never() {
		t.Fatalf("%s", f.Append(nil))
	}
}

func TestRefusalsKeepKnownPrefixes(t *testing.T) {
	for msg, want := range map[string]policy.Verdict{
		"":                          policy.Refuse(reason.Blocked, "no reason"),
		"no":                        policy.Refuse(reason.Blocked, "no"),
		"pow: 20 bits":              policy.Refuse(reason.PoW, "20 bits"),
		"auth-required: who":        policy.Refuse(reason.AuthRequired, "who"),
		"sorry: you are not known":  policy.Refuse(reason.Blocked, "sorry: you are not known"),
		"see https://x.example: no": policy.Refuse(reason.Blocked, "see https://x.example: no"),
	} {
		if got := refusal(msg); got != want {
			t.Errorf("%q: %+v", msg, got)
		}
	}
}

func TestOnlyHooksThatMayAskCostASubID(t *testing.T) {
	without := open(t, func(*khatru.Relay) {})
	with := open(t, func(rl *khatru.Relay) {
		rl.RejectFilter = append(rl.RejectFilter, func(context.Context, nostr.Filter) (bool, string) { return false, "" })
	})
	if policy.NewChain(nil, policy.Named{Policy: without}).WantsSubID() || !policy.NewChain(nil, policy.Named{Policy: with}).WantsSubID() {
		t.Error("the chain asks for the wrong one")
	}
}
