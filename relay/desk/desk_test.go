package desk_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/policy"
	"moa/policy/moderation"
	"moa/policy/policytest"
	"moa/relay/desk"
	"moa/store/state"
)

func TestMain(m *testing.M) {
	testwait.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

var shell = state.Actor{Door: "shell"}

// relay stands in for a relay: what is stored, and whether the disk takes anything.
type relay struct {
	mu      sync.Mutex // guards the following
	stored  []*event.Event
	broken  error
	changed int
}

func (r *relay) Stored(_ context.Context, f *event.Filter, found func(*event.Event) error) error {
	r.mu.Lock()
	all := slices.Clone(r.stored)
	err := r.broken
	r.mu.Unlock()
	for _, e := range all {
		if f.Matches(e) && err == nil {
			err = found(e)
		}
	}
	return err
}

func (r *relay) Remove(_ context.Context, ids []event.ID) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return 0, r.broken
	}
	before := len(r.stored)
	r.stored = slices.DeleteFunc(r.stored, func(e *event.Event) bool { return slices.Contains(ids, e.ID) })
	return before - len(r.stored), nil
}

func (r *relay) has() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.stored)
}

func (r *relay) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = err
}

func (r *relay) Changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed++
}

func openState(t testing.TB, dir string) *state.Store {
	t.Helper()
	st, err := state.Open(t.Context(), state.Options{Path: filepath.Join(dir, state.File)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func (r *relay) desk(st *state.Store, more ...func(*desk.Deps)) *desk.Desk {
	deps := desk.Deps{State: st, Stored: r.Stored, Remove: r.Remove, Changed: r.Changed}
	for _, f := range more {
		f(&deps)
	}
	return desk.New(deps)
}

func note(author byte, text string) *event.Event {
	return policytest.Event(event.Event{Kind: 1, PubKey: policytest.Key(author), Content: text})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What could not be removed is hidden and refused until a later start has removed it, even
// if the decision is taken back meanwhile.
func TestWhatIsLeftIsErasedAfterAStart(t *testing.T) {
	dir := t.TempDir()
	one, two, other := note(1, "one"), note(2, "two"), note(3, "other")
	r := &relay{stored: []*event.Event{one, two, other}}
	st := openState(t, dir)
	d := r.desk(st)
	r.fail(errors.New("no disk"))
	if _, err := d.BanAuthor(t.Context(), shell, one.PubKey, state.Ban{}, true); err == nil {
		t.Error("nothing is wrong")
	}
	if _, err := d.RemoveEvent(t.Context(), shell, two.ID, ""); err == nil {
		t.Error("nothing is wrong")
	}
	for what, lift := range map[string]func() error{
		"unban": func() error { return d.UnbanAuthor(t.Context(), shell, one.PubKey, "") },
		"undo":  func() error { return d.UndoAuthor(t.Context(), shell, one.PubKey, "") },
		"allow": func() error { return d.AllowEvent(t.Context(), shell, two.ID, "") },
	} {
		if err := lift(); err == nil {
			t.Errorf("%s: what is still to be removed came back", what)
		}
	}
	if a := d.Decided().Author(one.PubKey); !a.Erasing || a.Until != policy.Forever || !d.Decided().Hides(0) {
		t.Errorf("%+v", a)
	}
	must(t, st.Close())

	st = openState(t, dir)
	d = r.desk(st)
	r.fail(nil)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- d.Run(ctx) }()
	testwait.Eventually(t, "all is removed", func() bool {
		jobs, err := st.Jobs(t.Context())
		return err == nil && len(jobs) == 0 && r.has() == 1
	})
	stop()
	must(t, <-ran)
	if a := d.Decided().Author(one.PubKey); a.Erasing || a.Until != policy.Forever {
		t.Errorf("%+v", a)
	}
	must(t, d.UndoAuthor(t.Context(), shell, one.PubKey, ""))
	must(t, d.AllowEvent(t.Context(), shell, two.ID, ""))
	if len(st.Authors())+len(st.Rulings()) != 0 || r.has() != 1 {
		t.Error("something is decided still, or came back")
	}
}

// An author with very many events is erased part by part, and what cannot be removed is an
// error, not a loop without end.
func TestVeryManyEventsAreErased(t *testing.T) {
	const many = 25_000
	stored := map[event.ID]*event.Event{}
	for n := range many {
		id := event.ID(key(n))
		stored[id] = &event.Event{ID: id, PubKey: policytest.Key(1)}
	}
	most, stuck := 0, false
	d := desk.New(desk.Deps{
		State: openState(t, t.TempDir()),
		Stored: func(_ context.Context, _ *event.Filter, found func(*event.Event) error) error {
			for _, e := range stored {
				if err := found(e); err != nil {
					return err
				}
			}
			return nil
		},
		Remove: func(_ context.Context, ids []event.ID) (n int, err error) {
			if most = max(most, len(ids)); stuck {
				return 0, nil
			}
			before := len(stored)
			for _, id := range ids {
				delete(stored, id)
			}
			return before - len(stored), nil
		},
	})
	stuck = true
	if _, err := d.BanAuthor(t.Context(), shell, policytest.Key(1), state.Ban{}, true); err == nil || !strings.Contains(err.Error(), "none could be removed") {
		t.Errorf("%v", err)
	}
	stuck = false
	removed, err := d.BanAuthor(t.Context(), shell, policytest.Key(1), state.Ban{Why: "again"}, true)
	if err != nil || removed != many || len(stored) != 0 || most >= many {
		t.Errorf("%d events were removed, %d at once, and %d are left: %v", removed, most, len(stored), err)
	}
}

// A failure is told to the one that decides, and tried again without a start.
func TestAFailureIsTriedAgain(t *testing.T) {
	one := note(1, "one")
	r := &relay{stored: []*event.Event{one}}
	gone, cancel := context.WithCancel(t.Context())
	d := r.desk(openState(t, t.TempDir()), func(deps *desk.Deps) {
		deps.Changed = cancel // the operator's client leaves before anything is removed
	})
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- d.Run(ctx) }()
	if _, err := d.BanAuthor(gone, shell, one.PubKey, state.Ban{}, true); err == nil {
		t.Error("nothing is wrong")
	}
	testwait.Eventually(t, "it is removed", func() bool { return r.has() == 0 && !d.Decided().Author(one.PubKey).Erasing })
	stop()
	must(t, <-ran)
}

// A decision closes what is reported, also by a clock that goes wrong, until it is reopened.
func TestDecisionsAndReports(t *testing.T) {
	st := openState(t, t.TempDir())
	now := time.Now()
	reports := moderation.New(moderation.Options{
		Most: 10, Window: time.Hour, Trusted: func(event.PubKey) bool { return true }, Decided: &desk.Decided{State: st},
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	r := &relay{}
	d := r.desk(st, func(deps *desk.Deps) { deps.Reports = func() *moderation.Desk { return reports } })
	report := func(about byte, at time.Time, more ...event.Tag) {
		reports.Take(policytest.Event(event.Event{
			Kind: 1984, PubKey: policytest.Key(9), CreatedAt: at.Unix(), Tags: append(more, event.Tag{"p", policytest.Key(about).String()}),
		}))
	}
	id := note(1, "bad").ID
	future := now.Add(time.Hour)
	report(1, now, event.Tag{"e", id.String()})
	report(2, future)
	report(3, future)
	open := func(want int, when string) {
		t.Helper()
		if n := len(reports.Cases()); n != want {
			t.Errorf("%s: %d cases", when, n)
		}
	}
	open(3, "before")
	must(t, d.HideEvent(t.Context(), shell, id, ""))
	open(2, "an event is hidden")
	_, err := d.BanAuthor(t.Context(), shell, policytest.Key(2), state.Ban{Until: now.Add(time.Minute).Unix()}, false)
	must(t, err)
	open(1, "an author is banned")
	must(t, d.DismissReports(t.Context(), shell, policytest.Key(3), "a quarrel"))
	open(0, "reports are dismissed")
	list, err := d.Dismissals(t.Context())
	if err != nil || len(list) != 2 || list[0].At != future.Unix() && list[1].At != future.Unix() {
		t.Errorf("%v, %v", list, err)
	}
	must(t, d.ReopenReports(t.Context(), shell, policytest.Key(3), ""))
	<-reports.Stale()
	report(3, future)
	open(1, "reports are open again")
	if r.changed != 4 {
		t.Errorf("%d changes were told", r.changed)
	}
}

// What makes no sense changes nothing, and is the caller's fault.
func TestRequestsMakeSense(t *testing.T) {
	d := new(relay).desk(openState(t, t.TempDir()), func(deps *desk.Deps) {
		deps.Self = func() event.PubKey { return policytest.Key(77) }
	})
	for what, err := range map[string]error{
		"nobody":     second(d.BanAuthor(t.Context(), shell, event.PubKey{}, state.Ban{}, false)),
		"itself":     second(d.BanAuthor(t.Context(), shell, policytest.Key(77), state.Ban{}, false)),
		"over":       second(d.BanAuthor(t.Context(), shell, policytest.Key(1), state.Ban{Until: 1}, false)),
		"too long":   second(d.BanAuthor(t.Context(), shell, policytest.Key(1), state.Ban{Why: string(make([]byte, 2000))}, false)),
		"no event":   d.HideEvent(t.Context(), shell, event.ID{}, ""),
		"no address": d.BlockAddress(t.Context(), shell, netip.Prefix{}, ""),
		"everybody":  d.BlockAddress(t.Context(), shell, netip.MustParsePrefix("::/0"), ""),
		"a setting":  d.Set(t.Context(), shell, "listen", ":80"),
	} {
		if !errors.Is(err, state.ErrRequest) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if log, err := d.State().Changes(t.Context(), "", 0, 10); len(log) != 0 || err != nil {
		t.Errorf("%v, %v", log, err)
	}
	must(t, d.BlockAddress(t.Context(), shell, netip.MustParsePrefix("::ffff:192.0.2.0/120"), "abuse"))
	if _, blocked := d.Decided().Address(netip.MustParseAddr("192.0.2.9")); !blocked {
		t.Error("an address in another form is not blocked")
	}
	must(t, d.UnblockAddress(t.Context(), shell, netip.MustParsePrefix("192.0.2.0/24"), ""))
	if len(d.BlockedAddresses()) != 0 {
		t.Error("it is blocked still")
	}
}

func second(_ int, err error) error { return err }

// key is the nth of keys that are spread as public keys are.
func key(n int) (pk event.PubKey) {
	binary.BigEndian.PutUint32(pk[:], uint32(n)*2654435761)
	return pk
}

// crowd is a desk that has decided about so many authors and events.
func crowd(t testing.TB, n int) *desk.Decided {
	st := openState(t, t.TempDir())
	var record strings.Builder
	for i := range n / 2 {
		fmt.Fprintf(&record, `{"at":1,"do":"ban","author":"%s"}`+"\n", key(2*i))
		fmt.Fprintf(&record, `{"at":1,"do":"hide","event":"%s"}`+"\n", event.ID(key(2*i+1)))
	}
	if taken, broken, err := st.TakeOver(t.Context(), strings.NewReader(record.String())); taken != n || broken != 0 || err != nil {
		t.Fatal(taken, broken, err)
	}
	for i := range 100 {
		must(t, st.BlockAddress(t.Context(), shell, netip.MustParsePrefix(fmt.Sprintf("192.0.%d.0/24", i)), ""))
	}
	return &desk.Decided{State: st}
}

// ask asks all that is asked about one event, one delivery and one connection.
func ask(d *desk.Decided, n int) (yes int) {
	pk := key(n)
	if d.Author(pk).Until != 0 {
		yes++
	}
	if d.Event(event.ID(pk)) != policy.Undecided {
		yes++
	}
	if d.Hides(1) {
		yes++
	}
	if _, blocked := d.Address(netip.AddrFrom4([4]byte{192, 0, byte(n), 1})); blocked {
		yes++
	}
	if _, decided := d.Kind(uint16(n)); decided {
		yes++
	}
	return yes + int(d.Generation()&1)
}

func TestPoliciesAskWithoutGarbage(t *testing.T) {
	d := crowd(t, 1000)
	n := 0
	if allocs := testing.AllocsPerRun(1000, func() { n++; ask(d, n) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkPoliciesAsk(b *testing.B) {
	d := crowd(b, 100_000)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		ask(d, n)
	}
}
