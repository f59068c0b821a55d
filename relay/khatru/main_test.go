package khatru_test

import (
	"context"
	"testing"
	"time"

	"github.com/fiatjaf/khatru"
	"go.uber.org/goleak"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/policy"
	"moa/relay"
	door "moa/relay/khatru"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/memstore"
)

// What khatru.NewRelay and its rate limiters start runs forever.
func TestMain(m *testing.M) {
	testwait.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/fiatjaf/khatru.(*expirationManager).start"),
		goleak.IgnoreAnyFunction("github.com/fiatjaf/khatru/policies.startRateLimitSystem[...].func1"),
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
	)
}

var (
	alice = relaytest.NewKey(1)
	bob   = relaytest.NewKey(2)
)

type setup struct {
	hooks  func(*khatru.Relay)
	door   door.Options
	config func(*relay.Config)
	store  store.Store
}

// serve runs moa's engine with a khatru relay's hooks until the test ends.
func serve(t testing.TB, s setup) (*relaytest.Relay, *door.Door) {
	t.Helper()
	rl := khatru.NewRelay()
	if s.hooks != nil {
		s.hooks(rl)
	}
	d, err := door.New(rl, s.door)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the relay's end
		ctx, cancel := context.WithTimeout(context.Background(), relaytest.Patience)
		defer cancel()
		if err := d.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return relaytest.Start(t, relaytest.Options{
		Config: s.config, Store: s.store,
		Chain:   policy.NewChain(nil, policy.Named{Name: "khatru", Policy: d}),
		Handler: d.Handler(), Describe: d.Describe,
	}), d
}

// withHooks is serve with nothing but hooks.
func withHooks(t testing.TB, hooks func(*khatru.Relay)) *relaytest.Relay {
	t.Helper()
	r, _ := serve(t, setup{hooks: hooks})
	return r
}

// onStores runs a test against the door on each store.
func onStores(t *testing.T, hooks func(*khatru.Relay), test func(t *testing.T, r *relaytest.Relay)) {
	for name, open := range map[string]func() store.Store{
		"memory": func() store.Store { return memstore.New() },
		"badger": func() store.Store { return openBadger(t) },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := serve(t, setup{hooks: hooks, store: open()})
			test(t, r)
		})
	}
}

func openBadger(t testing.TB) store.Store {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Options{Dir: t.TempDir(), CacheMB: 32, HotMB: 8, NoSync: true, ReserveMB: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func at(seconds int64) int64 { return time.Now().Unix() + seconds }

func ids(events []*event.Event) (out []string) {
	for _, e := range events {
		out = append(out, e.ID.String())
	}
	return out
}
