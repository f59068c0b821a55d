package state_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store/state"
)

// watched is a context that calls at whenever a transaction looks at it, which it does
// before and after each of its statements.
type watched struct {
	context.Context
	at func()
}

func (c watched) Err() error {
	c.at()
	return c.Context.Err()
}

func (c watched) Done() <-chan struct{} {
	c.at()
	return c.Context.Done()
}

// left is what a process that is killed leaves: the database and SQLite's log of it.
type left struct{ db, log []byte }

func leftAt(t *testing.T, path string) (l left) {
	t.Helper()
	for name, to := range map[string]*[]byte{path: &l.db, path + "-wal": &l.log} {
		text, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		*to = text
	}
	return l
}

func (l left) equal(other left) bool {
	return bytes.Equal(l.db, other.db) && bytes.Equal(l.log, other.log)
}

// torn are what is left of the way from l to next, where only the log is written: its
// write may end anywhere.
func (l left) torn(next left) (all []left) {
	const half = 2048 // of a page
	if !bytes.Equal(l.db, next.db) {
		return nil
	}
	for end := half; end < len(next.log); end += half {
		if end < len(l.log) && bytes.Equal(l.log[:end], next.log[:end]) {
			continue // it was there before
		}
		text := slices.Clone(next.log[:end])
		if end < len(l.log) {
			text = append(text, l.log[end:]...)
		}
		all = append(all, left{l.db, text})
	}
	return all
}

// open opens what is left as the next start does.
func (l left) open(t *testing.T) *state.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), state.File)
	for name, text := range map[string][]byte{path: l.db, path + "-wal": l.log} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return open(t, path)
}

// asked is what policies may ask: memory alone says it, without a lock.
func asked(s *state.Store) string {
	return fmt.Sprint(s.Authors(), s.Rulings(), s.Addresses(), s.Kinds(), s.Settings(), s.AllMembers(), s.Roles(), waitingHere(s))
}

// decidedHere is all that there is, with the log and the jobs.
func decidedHere(t *testing.T, s *state.Store) string {
	t.Helper()
	all := everything(s)
	if log := replayed(t, s); !maps.Equal(all, log) {
		t.Fatalf("the tables say %v, the log comes to %v", all, log)
	}
	jobs, err := s.Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	changes, err := s.Changes(t.Context(), "", 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s: %s\n", name, all[name])
	}
	for _, c := range changes {
		fmt.Fprintf(&text, "%d %s %s %s %s %s\n", c.Nth, c.Verb, c.Subject, c.Was, c.Became, c.Why)
	}
	fmt.Fprintln(&text, jobs, waitingHere(s))
	return text.String()
}

// step is a change.
type step struct {
	what string
	make func(context.Context, *state.Store) error
}

// steps are changes of each kind, each of which finds something to change.
func steps() []step {
	one, two, member := event.PubKey{1}, event.PubKey{2}, event.PubKey{3}
	id, network := event.ID{4}, netip.MustParsePrefix("192.0.2.0/24")
	first := func(ctx context.Context, s *state.Store) error {
		jobs, err := s.Jobs(ctx)
		if err != nil || len(jobs) == 0 {
			return errors.Join(err, errors.New("there is no job"))
		}
		return s.JobDone(ctx, jobs[0])
	}
	all := func(ctx context.Context, s *state.Store) error {
		jobs, err := s.Jobs(ctx)
		return errors.Join(err, s.JobsDone(ctx, jobs))
	}
	return []step{
		{"ban", func(ctx context.Context, s *state.Store) error {
			return s.BanAuthor(ctx, shell, one, state.Ban{Hidden: true, Why: "spam"}, 0)
		}},
		{"ban again, and erase", func(ctx context.Context, s *state.Store) error {
			return s.BanAuthor(ctx, shell, one, state.Ban{Erase: true, Why: "more spam"}, 0)
		}},
		{"erased", first},
		{"unban", func(ctx context.Context, s *state.Store) error { return s.UnbanAuthor(ctx, shell, one, "") }},
		{"reopen", func(ctx context.Context, s *state.Store) error { return s.OpenReports(ctx, shell, one, "") }},
		{"dismiss", func(ctx context.Context, s *state.Store) error {
			return s.CloseReports(ctx, shell, two, 1000, "a quarrel")
		}},
		{"ban a dismissed author", func(ctx context.Context, s *state.Store) error {
			return s.BanAuthor(ctx, shell, two, state.Ban{Until: 1 << 40}, 2000)
		}},
		{"pardon", func(ctx context.Context, s *state.Store) error { return s.PardonAuthor(ctx, shell, two, "") }},
		{"hide", func(ctx context.Context, s *state.Store) error { return s.Rule(ctx, shell, id, state.Hide, "bad") }},
		{"delete", func(ctx context.Context, s *state.Store) error { return s.Rule(ctx, shell, id, state.Remove, "worse") }},
		{"deleted", first},
		{"allow", func(ctx context.Context, s *state.Store) error { return s.Unrule(ctx, shell, id, "") }},
		{"block", func(ctx context.Context, s *state.Store) error { return s.BlockAddress(ctx, shell, network, "abuse") }},
		{"block otherwise", func(ctx context.Context, s *state.Store) error { return s.BlockAddress(ctx, shell, network, "flood") }},
		{"unblock", func(ctx context.Context, s *state.Store) error { return s.UnblockAddress(ctx, shell, network, "") }},
		{"disconnect", func(ctx context.Context, s *state.Store) error { return s.Disconnect(ctx, shell, network, 3, "loud") }},
		{"disallow kind", func(ctx context.Context, s *state.Store) error { return s.SetKind(ctx, shell, 7, false) }},
		{"allow kind", func(ctx context.Context, s *state.Store) error { return s.SetKind(ctx, shell, 7, true) }},
		{"reset kind", func(ctx context.Context, s *state.Store) error { return s.ResetKind(ctx, shell, 7) }},
		{"set", func(ctx context.Context, s *state.Store) error { return s.Set(ctx, shell, state.SettingName, "moa") }},
		{"set again", func(ctx context.Context, s *state.Store) error { return s.Set(ctx, shell, state.SettingName, "kiwi") }},
		{"reset", func(ctx context.Context, s *state.Store) error { return s.Reset(ctx, shell, state.SettingName) }},
		{"create role", func(ctx context.Context, s *state.Store) error {
			return s.CreateRole(ctx, shell, state.Role{ID: "writer"})
		}},
		{"create invite", func(ctx context.Context, s *state.Store) error {
			return s.CreateInvite(ctx, shell, state.Invite{Code: "come", Most: 1, Roles: []string{"writer"}}, 0)
		}},
		{"join", func(ctx context.Context, s *state.Store) error {
			return s.Claim(ctx, state.Actor{Key: member, Door: "nip43"}, "come", func(state.Invite) error { return nil })
		}},
		{"add many", func(ctx context.Context, s *state.Store) error {
			_, err := s.AddMembers(ctx, shell, []state.Membership{{PubKey: one}, {PubKey: two, Roles: []string{"writer"}}})
			return err
		}},
		{"published", all},
		{"unassign", func(ctx context.Context, s *state.Store) error { return s.UnassignRole(ctx, shell, two, "writer") }},
		{"delete role", func(ctx context.Context, s *state.Store) error { return s.DeleteRole(ctx, shell, "writer") }},
		{"leave", func(ctx context.Context, s *state.Store) error {
			return s.Leave(ctx, state.Actor{Key: member, Door: "nip43"})
		}},
		{"take over", func(ctx context.Context, s *state.Store) error {
			taken, broken, err := s.TakeOver(ctx, strings.NewReader(fmt.Sprintf(`{"at":1,"do":"ban","author":"%s","purge":true}
{"at":2,"do":"delete","event":"%s"}
`, event.PubKey{8}, event.ID{9})))
			if taken != 2 || broken != 0 {
				err = errors.Join(err, fmt.Errorf("%d lines were taken, %d are broken", taken, broken))
			}
			return err
		}},
	}
}

// trace makes the change, and returns each state in which the files were at a look, and at
// which of them policies were told of the change first; -1: at none.
func (st *step) trace(t *testing.T, s *state.Store, path string) ([]left, int) {
	t.Helper()
	var mu sync.Mutex // database/sql has goroutines that look, too
	var seen []left
	inForce := -1
	memory := asked(s)
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		told := asked(s) != memory // before the files are read: then they have what was told
		if l := leftAt(t, path); len(seen) == 0 || !l.equal(seen[len(seen)-1]) {
			seen = append(seen, l)
		}
		if told && inForce < 0 {
			inForce = len(seen) - 1
		}
	}
	look()
	if err := st.make(watched{context.Background(), look}, s); err != nil {
		t.Fatalf("%s: %v", st.what, err)
	}
	look()
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(seen), inForce
}

// Wherever the process is killed in a change of any kind, the change is there afterwards
// with its row of the audit log and its jobs, or nothing of it is. It is in force only once
// it is durable, and durable when it is answered.
func TestEachStepOfAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), state.File)
	now := time.Unix(1_700_000_000, 0)
	var s *state.Store
	start := func() {
		var err error
		if s, err = state.Open(t.Context(), state.Options{Path: path, Now: func() time.Time { return now }}); err != nil {
			t.Fatal(err)
		}
	}
	start()
	defer func() { s.Close() }()
	for nth, step := range append(steps(), waitingSteps(t)...) {
		if nth%3 == 2 { // as after a start, when SQLite's log is empty
			s.Close()
			start()
		}
		now = now.Add(time.Second)
		before := decidedHere(t, s)
		seen, inForce := step.trace(t, s, path)
		after := decidedHere(t, s)
		if before == after {
			t.Fatalf("%s changes nothing", step.what)
		}
		made := func(l left) bool {
			got := decidedHere(t, l.open(t))
			if got != after && got != before {
				t.Errorf("%s: a kill leaves\n%s\nwant all or nothing of\n%s", step.what, got, after)
			}
			return got == after
		}
		there := false
		for i, l := range seen {
			for _, torn := range seen[max(i-1, 0)].torn(l) {
				made(torn)
			}
			was := there
			if there = made(l); was && !there {
				t.Errorf("%s: it was there, and is not any more", step.what)
			}
			if i == inForce && !there {
				t.Errorf("%s: it is in force before it is durable", step.what)
			}
		}
		if !there {
			t.Errorf("%s: it was answered, and is not there", step.what)
		}
	}
}
