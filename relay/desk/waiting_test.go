package desk_test

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"moa/nips/event"
	"moa/relay/desk"
	"moa/store/state"
)

// An approval that could not be carried out, or only in part, is carried out later: an
// event waits no longer only once it is stored, or never will be.
func TestAnApprovalIsFinishedLater(t *testing.T) {
	st, err := state.Open(t.Context(), state.Options{Path: filepath.Join(t.TempDir(), state.File)})
	must(t, err)
	defer func() { must(t, st.Close()) }()
	broken := errors.New("the disk is full")
	var stored []string
	fails := map[string]error{"two": broken}
	d := desk.New(desk.Deps{State: st, Release: func(_ context.Context, e *event.Event) (bool, error) {
		if err := fails[e.Content]; err != nil {
			return false, err
		}
		stored = append(stored, e.Content)
		return e.Content != "deleted", nil
	}})
	bounds := state.WaitingBounds{Events: 9, Bytes: 1 << 20, PerAddress: 9, PerAuthor: 9}
	for _, text := range []string{"one", "two", "deleted"} {
		must(t, st.Wait(t.Context(), spammer.Note(t, text), netip.Addr{}, 1<<40, bounds))
	}
	must(t, st.Wait(t.Context(), honest.Note(t, "another's"), netip.Addr{}, 1<<40, bounds))
	if err := d.ApproveAuthor(t.Context(), shell, spammer.PubKey, ""); !errors.Is(err, broken) {
		t.Errorf("an approval that cannot be carried out: %v", err)
	}
	if n, _ := st.WaitingSize(); n < 2 || !st.Author(spammer.PubKey).Approved || len(d.Waiting()) != 1 {
		t.Errorf("%d events wait, of which moderators see %d", n, len(d.Waiting()))
	}
	clear(fails)
	must(t, d.UnbanAuthor(t.Context(), shell, spammer.PubKey, "")) // finishes what is left of the author first
	if slices.Sort(stored); !slices.Equal(slices.Compact(stored), []string{"deleted", "one", "two"}) {
		t.Errorf("stored: %q", stored)
	}
	if n, _ := st.WaitingSize(); n != 1 || d.Waiting()[0].Event.Content != "another's" {
		t.Errorf("%d events wait", n)
	}
	if jobs, err := st.Jobs(t.Context()); err != nil || len(jobs) != 0 {
		t.Errorf("left are %v, %v", jobs, err)
	}
}
