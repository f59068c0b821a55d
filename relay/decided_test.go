package relay_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/policy/policytest"
	"moa/relay/desk"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/memstore"
	"moa/store/state"
)

// shutStore lets no commit through while it is shut.
type shutStore struct {
	store.Store
	came chan struct{} // a commit has come to the gate
	gate chan struct{}
}

func newShutStore() *shutStore {
	return &shutStore{memstore.New(), make(chan struct{}, 100), make(chan struct{})}
}

func (s *shutStore) Commit(ctx context.Context, now int64, events []*event.Event) ([]store.Result, error) {
	s.came <- struct{}{}
	<-s.gate
	return s.Store.Commit(ctx, now, events)
}

func (s *shutStore) Remove(ctx context.Context, ids []event.ID) (int, error) {
	return s.Store.(store.Remover).Remove(ctx, ids)
}

// deskOf is a relay on a store and a desk that decides about it.
func deskOf(t *testing.T, st store.Store) (*relaytest.Relay, *desk.Desk) {
	t.Helper()
	decided, err := state.Open(t.Context(), state.Options{Path: filepath.Join(t.TempDir(), state.File)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { decided.Close() })
	r := relaytest.Start(t, relaytest.Options{Store: st, Chain: buildOn(t, st, nil, &desk.Decided{State: decided})})
	return r, desk.New(desk.Deps{
		State: decided, Remove: r.Server.Remove, Changed: func() { r.Server.Decided(t.Context()) },
		Stored: func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
			return store.Each(ctx, st, store.Query{Filters: []*event.Filter{f}}, func(r *store.Record) error {
				e, err := r.Event()
				if err != nil {
					return err
				}
				return found(e)
			})
		},
	})
}

// An event that the policies have let in and that waits for the writer while its author is
// banned is refused, and so is one that would not be stored; what the writer has in hand is
// acknowledged before the ban is answered, and erased by it.
func TestNothingIsAcknowledgedAfterABan(t *testing.T) {
	st := newShutStore()
	r, desk := deskOf(t, st)
	open := sync.OnceFunc(func() { close(st.gate) })
	t.Cleanup(open)
	c, other := r.Dial(t), r.Dial(t)
	first, second := alice.Note(t, "in the writer's hand"), alice.Note(t, "it waits")
	fleeting := alice.Sign(t, event.Event{Kind: 20000, Content: "it waits, too"})
	bobs := bob.Note(t, "of somebody else")
	c.Publish(t, first)
	<-st.came
	for _, e := range []*event.Event{second, fleeting, bobs} {
		other.Publish(t, e)
	}
	relaytest.Eventually(t, "they wait for the writer", func() bool { return r.Metric(t, "moa_tickets") == 4 })
	type answer struct {
		removed int
		err     error
	}
	banned := make(chan answer, 1)
	go func() {
		n, err := desk.BanAuthor(t.Context(), shell, alice.PubKey, state.Ban{}, true)
		banned <- answer{n, err}
	}()
	relaytest.Eventually(t, "the ban is made", func() bool { return desk.State().Author(alice.PubKey).Banned })
	select {
	case a := <-banned:
		t.Errorf("the ban was answered while an event was being stored: %v", a)
	default:
	}
	open()
	if a := <-banned; a.err != nil || a.removed != 1 {
		t.Errorf("%d events were removed, %v", a.removed, a.err)
	}
	if ok := c.HearOK(t, first.ID.String()); !ok.OK {
		t.Errorf("%+v", ok)
	}
	for _, e := range []*event.Event{second, fleeting} {
		if ok := other.HearOK(t, e.ID.String()); ok.OK || !strings.HasPrefix(ok.Text, "blocked: the operator of this relay has banned the author") {
			t.Errorf("%s: %+v", e.Content, ok)
		}
	}
	if ok := other.HearOK(t, bobs.ID.String()); !ok.OK {
		t.Errorf("%+v", ok)
	}
	if got := c.Query(t, `{}`); len(got) != 1 || got[0].ID != bobs.ID {
		t.Errorf("%d events are stored", len(got))
	}
}

// A blocked address is told so over HTTP, and what is open from there ends, once.
func TestBlockedAddressesAreOut(t *testing.T) {
	r, desk := deskOf(t, memstore.New())
	c := r.Dial(t)
	c.Accepted(t, alice.Note(t, "hello"))
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	if err := desk.BlockAddress(t.Context(), shell, loopback, "abuse"); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := c.TryNext(relaytest.Patience); err != nil {
			break // the connection has ended
		}
	}
	if n := r.Metric(t, "moa_connections_dropped_total", "reason", "blocked"); n != 1 {
		t.Errorf("%v connections were ended for it", n)
	}
	_, res, err := relaytest.TryDial(r.URL)
	if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
		t.Fatalf("%v, %v", res, err)
	}
	if text, _ := io.ReadAll(res.Body); !strings.HasPrefix(string(text), "blocked: the operator of this relay has blocked your address") || strings.Contains(string(text), "abuse") {
		t.Errorf("it says %q", text)
	}
	if err := desk.UnblockAddress(t.Context(), shell, loopback, ""); err != nil {
		t.Fatal(err)
	}
	r.Dial(t).Accepted(t, alice.Note(t, "again"))
	if err := desk.BlockAddress(t.Context(), shell, netip.MustParsePrefix("0.0.0.0/0"), ""); !errors.Is(err, state.ErrRequest) {
		t.Errorf("everybody can be blocked: %v", err)
	}
}

// A kind that an operator disallows is refused, and one that is allowed is taken whatever
// the configuration says.
func TestKindsThatAreDecided(t *testing.T) {
	var decided policytest.Decided
	chain, faults := builtin.Build(policy.Env{Decided: &decided}, nil, []map[string]any{{"use": "kinds", "deny": "7"}})
	if faults != nil {
		t.Fatal(faults)
	}
	c := relaytest.Start(t, relaytest.Options{Chain: chain}).Dial(t)
	seven := func(text string) *event.Event { return alice.Sign(t, event.Event{Kind: 7, Content: text}) }
	c.Refused(t, seven("one"), "blocked: ")
	decided.SetKind(7, true)
	c.Accepted(t, seven("two"))
	decided.SetKind(1, false)
	c.Refused(t, alice.Note(t, "three"), "blocked: the operator of this relay takes no events of kind 1")
}
