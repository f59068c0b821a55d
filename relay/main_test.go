package relay_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/memstore"
)

func TestMain(m *testing.M) {
	testwait.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

var (
	alice = relaytest.NewKey(1)
	bob   = relaytest.NewKey(2)
	carol = relaytest.NewKey(3)
)

// onStores runs a test against a relay on each store.
func onStores(t *testing.T, test func(t *testing.T, r *relaytest.Relay)) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			test(t, relaytest.Start(t, relaytest.Options{Store: open(t)}))
		})
	}
}

var stores = map[string]func(t testing.TB) store.Store{
	"memory": func(testing.TB) store.Store { return memstore.New() },
	"badger": func(t testing.TB) store.Store { return openBadger(t, t.TempDir()) },
}

func openBadger(t testing.TB, dir string) store.Store {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Options{Dir: dir, CacheMB: 32, HotMB: 8, NoSync: true, ReserveMB: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// start runs a relay in memory with changed limits.
func start(t *testing.T, change func(*relay.Config)) *relaytest.Relay {
	t.Helper()
	return relaytest.Start(t, relaytest.Options{Config: change})
}

// anyTime is a chain that takes events of any time.
func anyTime(t testing.TB) *policy.Chain {
	t.Helper()
	chain, faults := builtin.Build(policy.Env{}, nil, []map[string]any{{"use": "times", "newest": "0s"}})
	if faults != nil {
		t.Fatal(faults)
	}
	return chain
}

// sameIDs fails unless got are exactly want, in that order.
func sameIDs(t *testing.T, what string, got []*event.Event, want ...*event.Event) {
	t.Helper()
	if list(got) != list(want) {
		t.Errorf("%s: got\n%swant\n%s", what, list(got), list(want))
	}
}

func list(events []*event.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "  %.8s kind %d at %d %.40q\n", e.ID, e.Kind, e.CreatedAt, e.Content)
	}
	return b.String()
}

// only returns the one event, or fails.
func only(t *testing.T, got []*event.Event) *event.Event {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("want one event, got %d:\n%s", len(got), list(got))
	}
	return got[0]
}

func tags(tags ...[]string) []event.Tag {
	out := make([]event.Tag, len(tags))
	for i, t := range tags {
		out[i] = t
	}
	return out
}
