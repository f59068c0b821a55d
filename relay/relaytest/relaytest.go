// Package relaytest runs a relay for tests and speaks to it through real
// sockets: a Client says raw messages and hears what comes back, in order.
package relaytest

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"moa/nips/event"
	"moa/nips/sig"
	"moa/nips/testwait"
	"moa/policy"
	"moa/relay"
	"moa/store"
	"moa/store/memstore"
)

// Patience is how long anything may take before a test fails.
const Patience = testwait.Patience

// Options of a relay. The zero Options are a relay with default limits on a
// store in memory.
type Options struct {
	Config  func(*relay.Config) // changes the defaults
	Chain   *policy.Chain
	Store   store.Store // nil: a new memstore
	Handler http.Handler
	// Describe is relay.Deps.Describe.
	Describe func(r *http.Request, document []byte) ([]byte, error)
	Log      *slog.Logger
	// Identity and Push are those of relay.Deps.
	Identity *relay.Identity
	Push     func(ctx context.Context, url string, e *event.Event) error
	// Members and Vanished, too.
	Members  relay.MemberDesk
	Vanished func()
	// Manager, AdminPage and Settings, too.
	Manager   relay.Manager
	AdminPage relay.AdminPage
	Settings  func() relay.Overrides
}

// Relay is a running relay.
type Relay struct {
	Server  *relay.Server
	Store   store.Store
	Metrics *prometheus.Registry
	URL     string // ws://127.0.0.1:port
	Addr    string // 127.0.0.1:port

	ahead atomic.Int64 // of the relay's clock, nanoseconds
	held  atomic.Int64 // what it shows, nanoseconds; 0: it goes
	stop  context.CancelFunc
	ended chan struct{}
	err   error
}

// Config is what Start begins with: a free port, and nothing ends because a busy
// machine takes its time.
func Config() relay.Config {
	cfg := relay.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	cfg.ShutdownGrace, cfg.WriteTimeout = Patience, Patience
	return cfg
}

// Start runs a relay until the test ends.
func Start(t testing.TB, o Options) *Relay {
	t.Helper()
	cfg := Config()
	if o.Config != nil {
		o.Config(&cfg)
	}
	if o.Store == nil {
		o.Store = memstore.New()
	}
	verifier, err := sig.New(sig.Btcec)
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Store: o.Store, Metrics: prometheus.NewRegistry(), ended: make(chan struct{})}
	r.Server, err = relay.New(cfg, relay.Deps{
		Store: o.Store, Chain: o.Chain, Verifier: verifier, Log: o.Log, Metrics: r.Metrics,
		Now: r.Now, Handler: o.Handler, Describe: o.Describe,
		Identity: o.Identity, Push: o.Push, Members: o.Members, Vanished: o.Vanished,
		Manager: o.Manager, AdminPage: o.AdminPage, Settings: o.Settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Server.Listen(); err != nil {
		t.Fatal(err)
	}
	r.Addr = r.Server.Addr().String()
	r.URL = "ws://" + r.Addr
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() {
		defer close(r.ended)
		r.err = r.Server.Run(ctx)
	}()
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Errorf("the relay's Run: %v", err)
		}
	})
	return r
}

// Stop shuts the relay down and returns what Run has returned.
func (r *Relay) Stop() error {
	r.stop()
	<-r.ended
	return r.err
}

// Now is the relay's clock.
func (r *Relay) Now() time.Time {
	now := time.Now()
	if held := r.held.Load(); held != 0 {
		now = time.Unix(0, held)
	}
	return now.Add(time.Duration(r.ahead.Load()))
}

// Hold stops the relay's clock: however long the test takes, nothing of what may be
// sent in a minute comes back, but by Advance.
func (r *Relay) Hold() { r.held.Store(time.Now().UnixNano()) }

// Advance sets the relay's clock forward.
func (r *Relay) Advance(d time.Duration) { r.ahead.Add(int64(d)) }

// Metric returns the value of a counter or gauge; labels are name, value,
// name, value. A histogram's value is how often it was fed.
func (r *Relay) Metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	families, err := r.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if !labelled(m, labels) {
				continue
			}
			switch f.GetType() {
			case dto.MetricType_HISTOGRAM:
				return float64(m.GetHistogram().GetSampleCount())
			case dto.MetricType_GAUGE:
				return m.GetGauge().GetValue()
			default:
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("there is no metric %s %q", name, labels)
	return 0
}

func labelled(m *dto.Metric, want []string) bool {
	for i := 0; i+1 < len(want); i += 2 {
		found := false
		for _, l := range m.GetLabel() {
			found = found || l.GetName() == want[i] && l.GetValue() == want[i+1]
		}
		if !found {
			return false
		}
	}
	return true
}

// Eventually waits until ok returns true, for at most Patience.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	testwait.Eventually(t, what, ok)
}
