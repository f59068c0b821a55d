package bench

import (
	"context"
	"flag"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/bench/corpus"
	"moa/nips/testwait"
)

func TestMain(m *testing.M) {
	// The tests wait more than they work.
	flag.Parse()
	flag.Set("test.parallel", "4")
	testwait.VerifyTestMain(m)
}

func testCorpus(events int) *corpus.Corpus {
	return corpus.Generate(corpus.Config{Seed: 7, Events: events, Authors: 60, Base: time.Now().Unix() - 60, Span: 24 * time.Hour})
}

func openSession(t testing.TB, r *tinyRelay, events int) *Session {
	timeout := testwait.Patience
	if f := r.flaws; f.noOK+f.noEOSE+f.dropLive > 0 {
		timeout = 5 * time.Second // is waited for
	}
	s, err := Open(t.Context(), Options{Target: Target{URL: r.url}, Corpus: testCorpus(events), Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustRun(t testing.TB, s *Session, w Workload) *Run {
	t.Helper()
	run, err := w.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// wantFaults checks that exactly these faults are named.
func wantFaults(t testing.TB, run *Run, want ...FaultName) {
	t.Helper()
	if !hasFaults(run, want...) {
		t.Errorf("faults are %+v, want %v", run.Faults, want)
	}
}

func hasFaults(run *Run, want ...FaultName) bool {
	var got []FaultName
	for _, f := range run.Faults {
		got = append(got, f.Name)
	}
	slices.Sort(want)
	return slices.Equal(got, want)
}

// patiently runs w on a relay with flaws until ok. A busy machine may take longer for
// what does come than what does not come is waited for: then that is waited for longer.
func patiently(t *testing.T, f flaws, events int, w Workload, ok func(*Run) bool) *Run {
	t.Helper()
	s := openSession(t, startTiny(t, f), events)
	for timeout := s.Timeout; ; timeout *= 3 {
		s.Timeout = timeout
		run := mustRun(t, s, w)
		if ok(run) || timeout >= testwait.Patience {
			return run
		}
		s = openSession(t, startTiny(t, f), events)
	}
}

// wantNamed checks that of a relay with these flaws exactly these faults are named.
func wantNamed(t *testing.T, f flaws, events int, w Workload, want ...FaultName) {
	t.Helper()
	wantFaults(t, patiently(t, f, events, w, func(run *Run) bool { return hasFaults(run, want...) }), want...)
}

func metric(t testing.TB, run *Run, name string) float64 {
	t.Helper()
	m, ok := run.Metric(name)
	if !ok {
		t.Errorf("there is no metric %q", name)
	}
	return m.Value
}

func quickPublish() Publish {
	return Publish{Conns: 3, Window: 8, Warmup: 20 * time.Millisecond, Probe: 7}
}

func TestPublishToACorrectRelay(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{}), 1500)
	run := mustRun(t, s, quickPublish())
	wantFaults(t, run)
	if n := metric(t, run, "accepted, all"); n < 1400 {
		t.Errorf("%v of 1500 events were accepted", n)
	}
	if l := run.Latencies[classPublish]; l.Count == 0 || l.P50 <= 0 || l.P99 < l.P50 || l.Max < l.P99 {
		t.Errorf("latency is %+v", l)
	}
	if len(run.Refused) != 0 {
		t.Errorf("refused: %v", run.Refused)
	}
}

func TestPublishNamesTheFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flaws flaws
		want  []FaultName
	}{
		"forgets after OK":   {flaws{forget: 5}, []FaultName{LostAfterOK, LateAfterOK}},
		"OK before readable": {flaws{keepLate: true}, []FaultName{LateAfterOK}},
		"no OK":              {flaws{noOK: 100}, []FaultName{NoOK}},
		"OK twice":           {flaws{okTwice: 100}, []FaultName{OKTwice}},
		"OK for nobody":      {flaws{okUnknown: 100}, []FaultName{OKUnknown}},
		"keeps the deleted":  {flaws{keepDeleted: true}, []FaultName{DeletedServed}},
		"alters events":      {flaws{alter: 50}, []FaultName{Altered}},
		"EOSE twice":         {flaws{eoseTwice: 3}, []FaultName{EOSETwice}},
		"EOSE missing":       {flaws{noEOSE: 20}, []FaultName{NoEOSE}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantNamed(t, c.flaws, 1000, quickPublish(), c.want...)
		})
	}
}

// TestMissingOKsDoNotHoldTheTest has a relay leave out more OKs than fit in the
// window, and one that answers nothing at all.
func TestMissingOKsDoNotHoldTheTest(t *testing.T) {
	t.Parallel()
	w := Publish{Conns: 1, Window: 2, Warmup: time.Millisecond, Probe: -1, Verify: -1}
	patient := w
	patient.Duration = testwait.Patience
	run := mustRun(t, openSession(t, startTiny(t, flaws{noOK: 15}), 60), patient)
	wantFaults(t, run, NoOK)
	if n := run.Faults[0].Count; n < 4 { // a slow machine may have more
		t.Errorf("%d OKs are missing, want 4", n)
	}
	silent := openSession(t, startTiny(t, flaws{noOK: 1}), 60)
	start := time.Now()
	wantFaults(t, mustRun(t, silent, w), NoOK)
	testwait.Speed(t, "a relay that answers nothing", time.Since(start), 4*silent.Timeout)
}

// TestOpenLoopPublishesWhatIsDue has as many events on their way as the rate and
// the time say, however slow the machine is.
func TestOpenLoopPublishesWhatIsDue(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{}), 1500)
	w := quickPublish()
	w.Rate, w.Duration, w.Warmup = 300, time.Second, 200*time.Millisecond
	run := mustRun(t, s, w)
	wantFaults(t, run)
	if n := metric(t, run, "accepted, all") + float64(len(run.Refused)); n < 340 || n > 365 {
		t.Errorf("%.0f events were published in 1.2 s at 300 a second", n)
	}
}

func TestRefusalsAreCountedByReason(t *testing.T) {
	t.Parallel()
	run := mustRun(t, openSession(t, startTiny(t, flaws{refuse: 10}), 500), quickPublish())
	wantFaults(t, run)
	if n := run.Refused["blocked"]; n != 50 {
		t.Errorf("%d refusals, want 50: %v", n, run.Refused)
	}
}

// TestResultSaysWhatWasDone has the defaults among the settings, not their zeros.
func TestResultSaysWhatWasDone(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{}), 200)
	for _, c := range []struct {
		w    Workload
		want string
	}{
		{Query{Requests: 20, Pool: 5}, "connections 8, window 1, warmup 1s, duration 10s, requests 20, pool 5"},
		{
			Slow{Live: Live{Conns: 2, Rate: 50, Warmup: time.Millisecond, Duration: 50 * time.Millisecond}, Stalled: 1},
			"connections 2, subscriptions 3, publishers 4, rate 50, warmup 1ms, duration 50ms, audience network, stalled 1",
		},
	} {
		result, err := s.Do(t.Context(), c.w, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(result.Settings, ", "); got != c.want {
			t.Errorf("settings are %q, want %q", got, c.want)
		}
	}
}

func TestCancelledRunIsPartial(t *testing.T) {
	t.Parallel()
	r := startTiny(t, flaws{})
	s := openSession(t, r, 1500)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() {
		testwait.Eventually(t, "some events", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return len(r.seen) >= 20
		})
		cancel()
	})
	result, err := s.Do(ctx, Publish{Rate: 500, Duration: 5 * time.Second, Warmup: 10 * time.Millisecond}, 3)
	if err != nil || len(result.Runs) != 1 || !result.Runs[0].Partial {
		t.Fatalf("err %v, %d runs", err, len(result.Runs))
	}
	if n := metric(t, &result.Runs[0], "accepted, all"); n == 1500 {
		t.Error("the run went on to its end")
	}
	wantFaults(t, &result.Runs[0])
}
