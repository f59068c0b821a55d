package bench

import (
	"testing"
	"time"
)

func quickLive(audience string) Live {
	return Live{Conns: 12, Subs: 3, Publishers: 2, Rate: 600, Warmup: 50 * time.Millisecond, Duration: 500 * time.Millisecond, Audience: audience}
}

func TestLiveOnACorrectRelay(t *testing.T) {
	t.Parallel()
	for _, audience := range []string{Network, Everyone} {
		s := openSession(t, startTiny(t, flaws{}), 100)
		w := quickLive(audience)
		run := measured(t, s, w.Duration, func(d time.Duration) Workload { w.Duration = d; return w }, classDelivery)
		wantFaults(t, run)
		all, want := metric(t, run, "delivered, all"), metric(t, run, "expected, all")
		if all != want || all < 100 {
			t.Errorf("%s: %v events were delivered, %v expected", audience, all, want)
		}
		if l := run.Latencies[classDelivery]; l.Count == 0 || l.P50 <= 0 {
			t.Errorf("%s: latency is %+v", audience, l)
		}
	}
}

func TestLiveNamesTheFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flaws flaws
		want  []FaultName
	}{
		"drops one in a hundred": {flaws{dropLive: 100}, []FaultName{MissingLive}},
		"doubles":                {flaws{doubleLive: 100}, []FaultName{DoubleLive}},
		"wrong order":            {flaws{reorderLive: 20}, []FaultName{LiveOrder}},
		"wrong subscription":     {flaws{wrongLive: 20}, []FaultName{WrongLive}},
		"keeps the ephemeral":    {flaws{keepEphemeral: true}, []FaultName{EphemeralKept}},
		"refuses connections":    {flaws{refuseConn: 5}, []FaultName{NoConnect}},
		"EOSE twice":             {flaws{eoseTwice: 10}, []FaultName{EOSETwice}},
		"EOSE missing":           {flaws{noEOSE: 10}, []FaultName{NoEOSE}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := quickLive(Network)
			if c.flaws.wrongLive == 0 {
				w = quickLive(Everyone)
			}
			if c.flaws.reorderLive > 0 {
				w.Publishers = 1 // the order of two connections is nobody's business
			}
			wantNamed(t, c.flaws, 100, w, c.want...)
		})
	}
}

func TestDroppedDeliveriesAreCountedExactly(t *testing.T) {
	t.Parallel()
	run := patiently(t, flaws{dropLive: 50}, 100, quickLive(Everyone), func(run *Run) bool {
		return metric(t, run, "missing") == float64(int(metric(t, run, "expected, all"))/50)
	})
	want := metric(t, run, "expected, all")
	missing := metric(t, run, "missing")
	if delivered := metric(t, run, "delivered, all"); delivered+missing != want || missing != float64(int(want)/50) {
		t.Errorf("%v expected, %v delivered, %v missing", want, delivered, missing)
	}
}

func TestIdleHoldsItsConnections(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{}), 100)
	run := mustRun(t, s, Idle{Conns: 60, Rate: 2000, Hold: 300 * time.Millisecond})
	wantFaults(t, run)
	if n := metric(t, run, "opened"); n != 60 {
		t.Errorf("%v connections were opened, want 60", n)
	}
	if n := metric(t, run, "lost"); n != 0 {
		t.Errorf("%v connections were lost", n)
	}
	if run.Latencies[classConnect].Count != 60 || run.Latencies[classSubscribe].Count != 120 {
		t.Errorf("latencies are %+v", run.Latencies)
	}
}
