package bench

import (
	"slices"
	"strings"
	"testing"
	"time"

	"moa/nips/testwait"
)

// TestLimitsOfTheRelayAreHeeded has a relay say what it takes, and counts what
// it is sent.
func TestLimitsOfTheRelayAreHeeded(t *testing.T) {
	t.Parallel()
	const info = `{"limitation":{"max_event_tags":20,"max_content_length":1000,"auth_required":true}}`
	for _, ignore := range []bool{false, true} {
		r := startTinyWithInfo(t, flaws{}, info)
		s, err := Open(t.Context(), Options{Target: Target{URL: r.url}, Corpus: testCorpus(500), Timeout: testwait.Patience, IgnoreLimits: ignore})
		if err != nil {
			t.Fatal(err)
		}
		run := mustRun(t, s, quickPublish())
		wantFaults(t, run)
		over := false
		for _, e := range r.events {
			over = over || len(e.Tags) > 20
		}
		if over != ignore {
			t.Errorf("ignore %v: events beyond the limits were sent: %v", ignore, over)
		}
		if said := slices.ContainsFunc(run.Notes, func(n string) bool { return strings.Contains(n, "of 500 events are not sent") }); said == ignore {
			t.Errorf("ignore %v: notes are %q", ignore, run.Notes)
		}
		if !slices.ContainsFunc(run.Warnings, func(w string) bool { return strings.Contains(w, "auth_required") }) {
			t.Errorf("nothing says that the relay wants AUTH: %q", run.Warnings)
		}
	}
	s, err := Open(t.Context(), Options{Target: Target{URL: startTinyWithInfo(t, flaws{}, `{"limitation":{"min_pow_difficulty":60}}`).url}, Corpus: testCorpus(50)})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []Workload{quickPublish(), quickQuery(), quickLive(Network)} {
		if _, err := w.Run(t.Context(), s); err == nil || !strings.Contains(err.Error(), "min_pow_difficulty") {
			t.Errorf("%s of a relay that wants work: %v", w.Name(), err)
		}
	}
}

// TestAnswersAreNoLongerThanTheRelayAllows asks a relay with a small max_limit.
func TestAnswersAreNoLongerThanTheRelayAllows(t *testing.T) {
	t.Parallel()
	r := startTinyWithInfo(t, flaws{}, `{"limitation":{"max_limit":"10","max_subscriptions":1}}`)
	s, err := Open(t.Context(), Options{Target: Target{URL: r.url}, Corpus: testCorpus(500)})
	if err != nil {
		t.Fatal(err)
	}
	run := mustRun(t, s, quickQuery())
	wantFaults(t, run)
	if n := metric(t, run, "events per REQ"); n > 12 {
		t.Errorf("%.1f events per REQ, the relay allows 10", n)
	}
	if idle := mustRun(t, s, Idle{Conns: 5, Subs: 4, Hold: time.Millisecond}); idle.Latencies[classSubscribe].Count != 5 {
		t.Errorf("%d subscriptions on 5 connections, the relay allows 1 on each", idle.Latencies[classSubscribe].Count)
	}
}
