package state_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store/state"
)

var roomy = state.WaitingBounds{Events: 100, Bytes: 1 << 20, PerAddress: 100, PerAuthor: 100}

var nowhere netip.Addr

const later = int64(1) << 40

// written is an event, which nobody has signed.
func written(t testing.TB, e event.Event) *event.Event {
	t.Helper()
	e.ID = event.ComputeID(&e)
	parsed, err := event.Parse(e.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func note(t testing.TB, author byte, text string) *event.Event {
	return written(t, event.Event{Kind: 1, PubKey: event.PubKey{author, 1}, Content: text})
}

// waitingHere is what waits, in words.
func waitingHere(s *state.Store) string {
	var b strings.Builder
	for _, w := range s.Waiting(nil) {
		fmt.Fprintf(&b, "%s waits until %d, approved %v; ", w.Event.Raw, w.Until, w.Approved)
	}
	return b.String()
}

func TestWhatWaitsIsThereAfterAStart(t *testing.T) {
	s, path := fresh(t)
	one, two := note(t, 1, "one"), note(t, 2, "two")
	for _, e := range []*event.Event{one, two, one} {
		if err := s.Wait(t.Context(), e, nowhere, later, roomy); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ApproveAuthor(t.Context(), shell, two.PubKey, two.ID, "fine"); err != nil {
		t.Fatal(err)
	}
	said := waitingHere(s)
	s.Close()
	s = open(t, path)
	if got := waitingHere(s); got != said || !s.Waits(one.ID) || !s.Waits(two.ID) || strings.Count(got, "approved true") != 1 {
		t.Errorf("after a start: %q, before it: %q", got, said)
	}
	if n, bytes := s.WaitingSize(); n != 2 || bytes != len(one.Raw)+len(two.Raw) {
		t.Errorf("%d events of %d bytes wait", n, bytes)
	}
	if err := s.Wait(t.Context(), note(t, 2, "three"), nowhere, later, roomy); !errors.Is(err, state.ErrApproved) {
		t.Errorf("an approved author: %v", err)
	}
	jobs, err := s.Jobs(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].Verb != state.ReleaseAuthor || jobs[0].Subject != two.PubKey.String() {
		t.Errorf("the jobs are %v, %v", jobs, err)
	}
	if log, err := s.Changes(t.Context(), "", 0, 10); err != nil || len(log) != 2 {
		t.Errorf("the log has %v, %v", log, err)
	}
	if err := s.DropWaiting(t.Context(), one.ID, two.ID); err != nil || s.Waits(one.ID) || waitingHere(s) != "" {
		t.Errorf("dropped: %v, %q", err, waitingHere(s))
	}
}

func TestBansAndRulingsEndTheWait(t *testing.T) {
	s, _ := fresh(t)
	bad, other := note(t, 1, "bad"), note(t, 1, "other")
	for _, e := range []*event.Event{bad, other} {
		if err := s.Wait(t.Context(), e, nowhere, later, roomy); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Rule(t.Context(), shell, bad.ID, state.Remove, ""); err != nil || s.Waits(bad.ID) || !s.Waits(other.ID) {
		t.Errorf("after a ruling: %v, %q", err, waitingHere(s))
	}
	if err := s.Wait(t.Context(), bad, nowhere, later, roomy); !errors.Is(err, state.ErrDecided) {
		t.Errorf("it comes again: %v", err)
	}
	if err := s.BanAuthor(t.Context(), shell, other.PubKey, state.Ban{}, 0); err != nil || waitingHere(s) != "" {
		t.Errorf("after a ban: %v, %q", err, waitingHere(s))
	}
	if err := s.ApproveAuthor(t.Context(), shell, other.PubKey, event.ID{}, ""); !errors.Is(err, state.ErrRequest) {
		t.Errorf("a banned author is approved: %v", err)
	}
	if err := s.Wait(t.Context(), other, nowhere, later, roomy); !errors.Is(err, state.ErrDecided) {
		t.Errorf("a banned author: %v", err)
	}
	if err := s.ApproveAuthor(t.Context(), shell, event.PubKey{7}, bad.ID, ""); !errors.Is(err, state.ErrRequest) || s.Author(event.PubKey{7}).Approved {
		t.Errorf("for an event that does not wait: %v", err)
	}
}

func TestSharesOfWhatWaits(t *testing.T) {
	s, _ := fresh(t)
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	b := state.WaitingBounds{Events: 6, Bytes: 8 * 2000, PerAddress: 3, PerAuthor: 2}
	for nth, c := range []struct {
		author byte
		from   netip.Addr
		bytes  int
		want   error
	}{
		{1, here, 1, nil},
		{1, there, 1, nil},
		{1, nowhere, 1, state.ErrNoShare}, // the author's
		{2, here, 1, nil},
		{3, here, 1, nil},
		{4, here, 1, state.ErrNoShare}, // the address's
		{5, nowhere, 2000, state.ErrNoShare},
		{5, nowhere, 1, nil},
		{6, nowhere, 1, nil},
		{7, nowhere, 1, state.ErrNoRoom},
	} {
		err := s.Wait(t.Context(), note(t, c.author, fmt.Sprint(nth, strings.Repeat("x", c.bytes))), c.from, later, b)
		if !errors.Is(err, c.want) {
			t.Errorf("the %dth: %v, want %v", nth, err, c.want)
		}
	}
}

func TestTheNewestVersionWaits(t *testing.T) {
	s, _ := fresh(t)
	profile := func(at int64) *event.Event {
		return written(t, event.Event{Kind: 0, PubKey: event.PubKey{1, 1}, CreatedAt: at})
	}
	b := roomy
	b.PerAuthor = 1
	for _, c := range []struct {
		at   int64
		want error
	}{{5, nil}, {4, state.ErrNewerWait}, {6, nil}} {
		if err := s.Wait(t.Context(), profile(c.at), nowhere, later, b); !errors.Is(err, c.want) {
			t.Errorf("of %d: %v, want %v", c.at, err, c.want)
		}
	}
	if list := s.Waiting(nil); len(list) != 1 || list[0].Event.CreatedAt != 6 {
		t.Errorf("%q waits", waitingHere(s))
	}
}

// waitingSteps are changes of what waits, behind others: see steps.
func waitingSteps(t *testing.T) []step {
	one, two, three := note(t, 31, "one"), note(t, 31, "two"), note(t, 32, "three")
	profile := func(at int64) *event.Event {
		return written(t, event.Event{Kind: 0, PubKey: event.PubKey{33, 1}, CreatedAt: at})
	}
	wait := func(e *event.Event) func(context.Context, *state.Store) error {
		return func(ctx context.Context, s *state.Store) error { return s.Wait(ctx, e, nowhere, later, roomy) }
	}
	return []step{
		{"wait", wait(one)},
		{"wait, too", wait(two)},
		{"wait as another", wait(three)},
		{"wait with a profile", wait(profile(1))},
		{"wait with a newer one", wait(profile(2))},
		{"approve an author for an event", func(ctx context.Context, s *state.Store) error {
			return s.ApproveAuthor(ctx, shell, one.PubKey, one.ID, "fine")
		}},
		{"drop what is stored", func(ctx context.Context, s *state.Store) error { return s.DropWaiting(ctx, one.ID, two.ID) }},
		{"ban an author with what waits", func(ctx context.Context, s *state.Store) error {
			return s.BanAuthor(ctx, shell, three.PubKey, state.Ban{}, 0)
		}},
		{"remove what waits", func(ctx context.Context, s *state.Store) error {
			return s.Rule(ctx, shell, profile(2).ID, state.Remove, "")
		}},
		{"take an approval back", func(ctx context.Context, s *state.Store) error {
			return s.PardonAuthor(ctx, shell, one.PubKey, "")
		}},
	}
}

// A clock that a test sets ends the wait.
func TestTheWaitEnds(t *testing.T) {
	at := time.Unix(1000, 0).Unix()
	for _, c := range []struct {
		expires, until int64
		over           bool
	}{{0, at + 1, false}, {0, at, true}, {at + 1, at + 9, false}, {at, at + 9, true}} {
		w := state.Waiting{Event: &event.Event{Expiration: c.expires}, Until: c.until}
		if w.Over(at) != c.over {
			t.Errorf("until %d, with an expiration of %d: %v", c.until, c.expires, !c.over)
		}
	}
}
