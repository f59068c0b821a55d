package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moa/nips/event"
	"moa/nips/sig"
	"moa/nips/wire"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/memstore"
)

// fragile is a policy that panics at events and filters that say so.
type fragile struct{}

func (fragile) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if e.Content == "panic" {
		panic("an event")
	}
	return policy.Verdict{}
}

func (fragile) Filter(_ context.Context, _ policy.Client, f *event.Filter) policy.Verdict {
	if len(f.Kinds) == 1 && f.Kinds[0] == 666 {
		panic("a filter")
	}
	return policy.Verdict{}
}

func (fragile) DeliveryKinds() []uint16 { return []uint16{7, 20007} }

func (fragile) Deliver(policy.Client, *policy.View) bool { panic("a delivery") }

func (fragile) Run(context.Context) error { panic("in the background") }

func TestAPanicOfAPolicyCostsOneAnswer(t *testing.T) {
	logs := new(syncLog)
	r := relaytest.Start(t, relaytest.Options{
		Chain: policy.NewChain(nil, policy.Named{Name: "fragile", Policy: fragile{}}),
		Log:   slog.New(slog.NewTextHandler(logs, nil)),
	})
	panics := func() float64 { return r.Metric(t, "moa_policy_panics_total", "policy", "fragile") }
	if panics() != 0 {
		t.Error("they are counted before there is any")
	}
	c := r.Dial(t)
	c.Stored(t, "live", `{"kinds":[20007,20001]}`)
	for range 3 {
		c.Publish(t, alice.Sign(t, event.Event{Kind: 1, CreatedAt: time.Now().Unix(), Content: "panic"}))
		if ok := c.Hear(t, wire.OK); ok.OK || !strings.HasPrefix(ok.Text, "error: ") {
			t.Errorf("%+v", ok)
		}
		c.Say(t, `["REQ","bad",{"kinds":[666]}]`)
		if m := c.Hear(t, wire.Closed); !strings.HasPrefix(m.Text, "error: ") {
			t.Errorf("%+v", m)
		}
	}
	if n := panics(); n != 6 {
		t.Errorf("%v panics are counted", n)
	}
	c.Accepted(t, alice.Sign(t, event.Event{Kind: 20007, CreatedAt: time.Now().Unix(), Content: "unseen"}))
	e := alice.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix(), Content: "seen"})
	c.Accepted(t, e)
	if got := c.Event(t, "live"); got.ID != e.ID {
		t.Errorf("%q was passed on", got.Content)
	}
	if n := panics(); n != 7 {
		t.Errorf("%v panics are counted", n)
	}
	relaytest.Eventually(t, "the end of its work is logged", func() bool { return strings.Contains(logs.String(), "in the background") })
	if text := logs.String(); strings.Count(text, "a policy has panicked") != 1 || !strings.Contains(text, "fragile.Event") {
		t.Error(text)
	}
}

// trapping is a WebAssembly module that traps as soon as it runs.
const trapping = "\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" +
	"\x07\x0a\x01\x06_start\x00\x00" + "\x0a\x05\x01\x03\x00\x00\x0b"

// What an operator has written and fails costs one answer each: an expression, and a
// module of WebAssembly.
func TestAFailingExpressionOrModuleCostsOneAnswer(t *testing.T) {
	module := filepath.Join(t.TempDir(), "trap.wasm")
	if err := os.WriteFile(module, []byte(trapping), 0o600); err != nil {
		t.Fatal(err)
	}
	logs := new(syncLog)
	log := slog.New(slog.NewTextHandler(logs, nil))
	chain, faults := builtin.Build(policy.Env{Log: log}, nil, []map[string]any{
		{"use": "expr", "accept": `tags[5][0] == "x"`, "kinds": "7"},
		{"use": "plugin", "command": module, "only": map[string]any{"pubkeys": []any{bob.Hex()}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	r := relaytest.Start(t, relaytest.Options{Chain: chain, Log: log})
	c := r.Dial(t)
	for i := range 3 {
		c.Refused(t, alice.Sign(t, event.Event{Kind: 7, Content: fmt.Sprint(i)}), "error: ")
		c.Refused(t, bob.Note(t, fmt.Sprint(i)), "error: ")
		c.Accepted(t, alice.Note(t, fmt.Sprint(i)))
	}
	if n := r.Metric(t, "moa_policy_panics_total", "policy", "expr"); n != 3 {
		t.Errorf("%v are counted", n)
	}
	relaytest.Eventually(t, "the module's end is logged", func() bool { return strings.Contains(logs.String(), "wasm error: unreachable") })
	if text := logs.String(); strings.Count(text, "a policy has panicked") != 1 || !strings.Contains(text, "expression).Event") {
		t.Error(text)
	}
}

// syncLog is a log that a test may read while it is written.
type syncLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *syncLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *syncLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// What a message makes panic in its session costs that connection. Here it is the
// clock, which an AUTH asks.
func TestAPanicOfASessionCostsOneConnection(t *testing.T) {
	var armed atomic.Bool
	logs := new(syncLog)
	cfg := relaytest.Config()
	verifier, err := sig.New(sig.Btcec)
	if err != nil {
		t.Fatal(err)
	}
	r := &relaytest.Relay{Metrics: prometheus.NewRegistry()}
	server, err := relay.New(cfg, relay.Deps{
		Store: memstore.New(), Verifier: verifier, Metrics: r.Metrics, Log: slog.New(slog.NewTextHandler(logs, nil)),
		Now: func() time.Time {
			if armed.Swap(false) {
				panic("the clock has stopped")
			}
			return time.Now()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	r.Server, r.Addr = server, server.Addr().String()
	r.URL = "ws://" + r.Addr
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()
	defer func() {
		if stop(); <-ended != nil {
			t.Error("the relay has not ended in order")
		}
	}()

	other := r.Dial(t)
	other.Stored(t, "all", `{"kinds":[20001]}`)
	for n := range 2 {
		c := dialRaw(t, r)
		c.say(t, `["REQ","all",{"kinds":[20001]}]`)
		relaytest.Eventually(t, "both are there", func() bool { return r.Metric(t, "moa_subscriptions") == 2 })
		armed.Store(true)
		auth := string(alice.Sign(t, event.Event{Kind: 22242, CreatedAt: time.Now().Unix(), Tags: []event.Tag{{"relay", r.URL}, {"challenge", "x"}}}).Raw)
		c.sayLong(t, `["AUTH",`+auth+`]`)
		told := false
		for m := range c.messages(t) {
			if told = strings.HasPrefix(m, `["NOTICE","error: `); told {
				break
			}
		}
		if !told {
			t.Error("the client is not told")
		}
		relaytest.Eventually(t, "it is gone", func() bool {
			return r.Metric(t, "moa_connections") == 1 && r.Metric(t, "moa_subscriptions") == 1
		})
		if panics, dropped := r.Metric(t, "moa_session_panics_total"), endings(t, r, "panic"); panics != float64(n+1) || dropped != panics {
			t.Errorf("%v panics, %v connections dropped", panics, dropped)
		}
		e := alice.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix(), Content: fmt.Sprint(n)})
		other.Accepted(t, e)
		if got := other.Event(t, "all"); got.ID != e.ID {
			t.Error("another event")
		}
	}
	if text := logs.String(); !strings.Contains(text, "the clock has stopped") || !strings.Contains(text, "nip42") && !strings.Contains(text, "auth") {
		t.Error(text)
	}
}

// panickingStore panics when it is asked for anything, while it is told to.
type panickingStore struct {
	store.Store
	broken atomic.Bool
}

func (s *panickingStore) Scan(q store.Query) store.Scan {
	if s.broken.Load() {
		panic("the store")
	}
	return s.Store.Scan(q)
}

// net/http survives a panic, and so must what is asked about places over it: no
// slot and no charge is lost.
func TestAPanicOfAQuestionAboutPlacesCostsOneAnswer(t *testing.T) {
	st, logs := &panickingStore{Store: memstore.New()}, new(syncLog)
	r := relaytest.Start(t, relaytest.Options{Store: st, Config: overHTTP, Log: slog.New(slog.NewTextHandler(logs, nil))})
	r.Dial(t).Accepted(t, alice.Sign(t, event.Event{Kind: 1, CreatedAt: 1000, Tags: tags([]string{"g", "u33db"})}))
	st.broken.Store(true)
	for range 20 {
		if resp, err := http.Get("http://" + r.Addr + "/geo/events?bbox=13,52,14,53"); err == nil {
			resp.Body.Close()
			t.Fatalf("%s, where the store panics", resp.Status)
		}
	}
	if n := r.Metric(t, "moa_session_panics_total"); n < 20 || !strings.Contains(logs.String(), "panickingStore).Scan") {
		t.Errorf("%v are counted; %s", n, logs)
	}
	st.broken.Store(false)
	if events, _ := places(t, r, "bbox=13,52,14,53"); len(events) != 1 {
		t.Errorf("%d events", len(events))
	}
	if n := held(t, r, "geo"); n != 0 {
		t.Errorf("%v bytes are charged", n)
	}
}
