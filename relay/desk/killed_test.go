package desk_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/policy"
	"moa/relay/desk"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/state"
)

// killed is a desk on a real store whose process kills itself at one of its steps.
type killed struct {
	*badgerstore.Store
	at   int // which step, from 1 on; 0: none
	seen int
}

// step is where the process may be killed.
func (k *killed) step() {
	if k.seen++; k.seen == k.at {
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err != nil {
			panic(err)
		}
		select {}
	}
}

func (k *killed) stored(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
	k.step()
	return store.Each(ctx, k.Store, store.Query{Filters: []*event.Filter{f}}, func(r *store.Record) error {
		k.step()
		e, err := r.Event()
		if err != nil {
			return err
		}
		return found(e)
	})
}

// remove removes events one by one, as several commits would.
func (k *killed) remove(ctx context.Context, ids []event.ID) (removed int, err error) {
	k.step()
	for _, id := range ids {
		n, err := k.Store.Remove(ctx, []event.ID{id})
		if err != nil {
			return removed, err
		}
		removed += n
		k.step()
	}
	return removed, nil
}

// open opens the store, the state and a desk on both in a folder.
func (k *killed) open(t *testing.T, dir string) (*desk.Desk, func()) {
	t.Helper()
	var err error
	k.Store, err = badgerstore.Open(badgerstore.Options{Dir: dir, CacheMB: 32, HotMB: 8, ReserveMB: -1})
	must(t, err)
	st, err := state.Open(t.Context(), state.Options{Path: filepath.Join(dir, state.File)})
	must(t, err)
	return desk.New(desk.Deps{State: st, Stored: k.stored, Remove: k.remove, Changed: k.step}), func() {
		must(t, st.Close())
		must(t, k.Close())
	}
}

func (k *killed) countOf(t *testing.T, pk event.PubKey) (n int) {
	t.Helper()
	must(t, k.stored(t.Context(), &event.Filter{Authors: []event.PubKey{pk}}, func(*event.Event) error { n++; return nil }))
	return n
}

var spammer, honest = relaytest.NewKey(1), relaytest.NewKey(2)

const spam = 3 // events of the spammer

// erasing are the decisions that remove events.
func erasing(last event.ID) map[string]func(context.Context, *desk.Desk) error {
	return map[string]func(context.Context, *desk.Desk) error{
		spammer.Hex(): func(ctx context.Context, d *desk.Desk) error {
			return second(d.BanAuthor(ctx, shell, spammer.PubKey, state.Ban{Why: "spam"}, true))
		},
		last.String(): func(ctx context.Context, d *desk.Desk) error {
			return second(d.RemoveEvent(ctx, shell, last, "spam"))
		},
	}
}

// Wherever the process is killed in a decision that removes events, the decision is there
// afterwards with its row of the audit log, and the next start removes what is left; or
// nothing was decided, and all is stored.
func TestKilledAtEachStepOfErasing(t *testing.T) {
	var all []*event.Event
	for n := range spam {
		all = append(all, spammer.Sign(t, event.Event{Kind: 1, CreatedAt: 1_700_000_000, Content: fmt.Sprint("buy ", n)}))
	}
	all = append(all, honest.Note(t, "hello"))
	last := all[spam-1]
	if at := os.Getenv("MOA_DESK_KILLED"); at != "" {
		dir, subject, _ := strings.Cut(at, " ")
		subject, step, _ := strings.Cut(subject, " ")
		k := new(killed)
		d, end := k.open(t, dir)
		_, err := k.Commit(t.Context(), 0, all)
		must(t, err)
		k.at, err = strconv.Atoi(step)
		must(t, err)
		k.step() // the store has the events
		must(t, erasing(last.ID)[subject](t.Context(), d))
		fmt.Println("answered")
		k.step()
		end()
		return
	}
	for subject := range erasing(last.ID) {
		left := spam // events of the spammer, once it is done
		if left--; subject == spammer.Hex() {
			left = 0
		}
		steps := 0
		for answered := false; !answered; {
			steps++
			dir := t.TempDir()
			answered = killedAt(t, dir, subject, steps)
			made := checkKilled(t, dir, subject, left)
			if answered && !made {
				t.Errorf("%s: it was answered, and is not there", subject)
			}
			if made != (steps > 1) {
				t.Errorf("%s: killed at step %d, it is there: %v", subject, steps, made)
			}
		}
		if steps < 5 {
			t.Errorf("%s: there are only %d steps", subject, steps)
		}
	}
}

// killedAt has a process of its own decide, which is killed at a step, and reports whether
// it has answered.
func killedAt(t *testing.T, dir, subject string, step int) (answered bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledAtEachStepOfErasing$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("MOA_DESK_KILLED=%s %s %d", dir, subject, step))
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		answered = answered || lines.Text() == "answered"
	}
	_ = cmd.Wait() // it was killed
	if cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("at step %d nobody was killed: %q", step, said)
	}
	return answered
}

// checkKilled looks at what a killed process has left, and has a start finish it.
func checkKilled(t *testing.T, dir, subject string, left int) (made bool) {
	t.Helper()
	k := new(killed)
	d, end := k.open(t, dir)
	defer end()
	log, err := d.State().Changes(t.Context(), "", 0, 10)
	must(t, err)
	made = len(log) == 1
	if len(log) > 1 || made && (log[0].Subject != subject || log[0].Why != "spam") {
		t.Errorf("the log has %v", log)
	}
	if !made {
		left = spam
	}
	decided := d.Decided()
	banned, removed := decided.Author(spammer.PubKey).Until == policy.Forever, len(d.RuledEvents()) == 1
	if (banned || removed) != made || banned && removed {
		t.Errorf("%s: the log says %v, banned %v, removed %v", subject, made, banned, removed)
	}
	if n := k.countOf(t, spammer.PubKey); n != left && banned && !decided.Author(spammer.PubKey).Erasing {
		t.Errorf("%d events are stored, and shown", n)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- d.Run(ctx) }()
	testwait.Eventually(t, "what is left is done", func() bool {
		jobs, err := d.State().Jobs(t.Context())
		return err == nil && len(jobs) == 0
	})
	stop()
	must(t, <-ran)
	if n := k.countOf(t, spammer.PubKey); n != left {
		t.Errorf("%s: %d events are stored, want %d", subject, n, left)
	}
	if n := k.countOf(t, honest.PubKey); n != 1 {
		t.Errorf("%d events of somebody else are stored", n)
	}
	if decided.Author(spammer.PubKey).Erasing {
		t.Error("the author is hidden for good")
	}
	return made
}
