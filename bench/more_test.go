package bench

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"moa/nips/testwait"
)

func TestStormBringsEverybodyBack(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{}), 300)
	run := mustRun(t, s, Storm{Conns: 40, Storms: 2, Calm: 20 * time.Millisecond})
	wantFaults(t, run)
	if v := metric(t, run, "came back"); v != 100 {
		t.Errorf("%v %% came back", v)
	}
	if n := run.Latencies[classSubscribe].Count; n != 240 {
		t.Errorf("%d subscriptions were answered after the storms, want 240", n)
	}
}

func TestMixedDay(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{}), 500)
	w := Mixed{Conns: 15, Publish: 150, Query: 60, Duration: time.Second}
	all := measured(t, s, w.Duration, func(d time.Duration) Workload { w.Duration = d; return w },
		"deliver, noon", "query, peak", "query, night", classPublish, Home)
	wantFaults(t, all)
	w.Duration = time.Second
	wantNamed(t, flaws{dropLive: 20}, 500, w, MissingLive)
}

func TestSlowReadersDoNotHideTheOthers(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{}), 100)
	w := Slow{Live: quickLive(Network), Stalled: 2}
	run := mustRun(t, s, w)
	wantFaults(t, run)
	if n := metric(t, run, "stalled readers that the relay ended"); n != 0 {
		t.Errorf("%v stalled readers were ended by a relay that ends none", n)
	}
	if n := metric(t, run, "backlog of each stalled reader"); n < 200 {
		t.Errorf("the backlog was %v events", n)
	}
}

func TestHandoverNamesTheFault(t *testing.T) {
	t.Parallel()
	w := Handover{Conns: 4, Rate: 800, Duration: 1500 * time.Millisecond}
	run := mustRun(t, openSession(t, startTiny(t, flaws{}), 100), w)
	wantFaults(t, run)
	if run.Latencies[classSubscribe].Count == 0 {
		t.Error("no subscription was opened")
	}
	for flaw, want := range map[flaws]FaultName{{gap: true}: HandoverGap, {overlap: true}: HandoverTwice} {
		wantInTime(t, flaw, w.Duration, func(d time.Duration) Workload { w.Duration = d; return w }, want)
	}
}

// measured runs a workload until there is something of each class: on a busy machine
// that may take more time than it does here.
func measured(t *testing.T, s *Session, d time.Duration, workload func(d time.Duration) Workload, classes ...string) *Run {
	t.Helper()
	for ; ; d *= 4 {
		run := mustRun(t, s, workload(d))
		i := slices.IndexFunc(classes, func(class string) bool { return run.Latencies[class].Count == 0 })
		switch {
		case i < 0:
			return run
		case d >= testwait.Patience:
			t.Fatalf("nothing of class %q", classes[i])
		}
	}
}

// wantInTime checks that exactly this fault is named of a relay with that flaw. A
// busy machine may get to nothing in the time of the workload: then it has more.
func wantInTime(t *testing.T, f flaws, d time.Duration, workload func(d time.Duration) Workload, want FaultName) {
	t.Helper()
	for ; ; d *= 4 {
		run := mustRun(t, openSession(t, startTiny(t, f), 400), workload(d))
		if len(run.Faults) == 0 && d < testwait.Patience {
			continue
		}
		wantFaults(t, run, want)
		return
	}
}

func TestAuthNamesTheFault(t *testing.T) {
	t.Parallel()
	w := Auth{Conns: 3, Duration: 300 * time.Millisecond}
	wantFaults(t, mustRun(t, openSession(t, startTiny(t, flaws{auth: true}), 400), w))
	for flaw, want := range map[flaws]FaultName{{auth: true, leakWraps: true}: WrapLeak, {auth: true, refuseAuth: true}: NoAuth} {
		wantInTime(t, flaw, w.Duration, func(d time.Duration) Workload { w.Duration = d; return w }, want)
	}
	silent := openSession(t, startTiny(t, flaws{}), 100)
	silent.Timeout = 3 * time.Second
	if _, err := w.Run(t.Context(), silent); !errors.Is(err, errNoChallenge) {
		t.Errorf("a relay without AUTH: %v", err)
	}
}

func TestSyncNamesTheFault(t *testing.T) {
	t.Parallel()
	w := Sync{Conns: 2, Duration: 200 * time.Millisecond, Lacking: 0.1}
	run := mustRun(t, openSession(t, startTiny(t, flaws{}), 600), w)
	wantFaults(t, run)
	if n := run.Latencies[classSync].Count; n == 0 {
		t.Error("nothing was reconciled")
	}
	wantInTime(t, flaws{forget: 10}, w.Duration, func(d time.Duration) Workload { w.Duration = d; return w }, WrongSync)
}

// restartable makes the session's relay one that is killed and comes back with
// what it had on disk.
func restartable(t *testing.T, f flaws) *Session {
	first := startTiny(t, f)
	s := openSession(t, first, 2000)
	s.Target.Restart = func(_ context.Context, _ bool, down func()) (int, error) {
		// On a busy machine nothing may have been published by now. Of 20 events the
		// client has heard more OKs than a flawed relay has written.
		testwait.Eventually(t, "20 events", func() bool {
			first.mu.Lock()
			defer first.mu.Unlock()
			return len(first.seen) >= 20
		})
		first.kill()
		down()
		second := startTinyOn(t, strings.TrimPrefix(first.url, "ws://"), f)
		first.mu.Lock()
		defer first.mu.Unlock()
		second.mu.Lock()
		defer second.mu.Unlock()
		for _, e := range first.events {
			if first.disk[e.ID] {
				second.events = append(second.events, e)
				second.seen[e.ID], second.disk[e.ID] = true, true
			}
		}
		first = second
		return 1, nil
	}
	return s
}

func TestCrashFindsAnOKBeforeTheWrite(t *testing.T) {
	t.Parallel()
	w := Crash{Crashes: 2, After: 30 * time.Millisecond, Conns: 2, Window: 4}
	wantFaults(t, mustRun(t, restartable(t, flaws{}), w))
	wantFaults(t, mustRun(t, restartable(t, flaws{writeBehind: 10}), w), LostAtCrash)
	if _, err := w.Run(t.Context(), openSession(t, startTiny(t, flaws{}), 100)); !errors.Is(err, errNoRestart) {
		t.Errorf("a relay that cannot be restarted: %v", err)
	}
}
