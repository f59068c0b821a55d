package bench

import (
	"testing"
	"time"
)

func quickQuery() Query {
	return Query{Conns: 3, Window: 2, Warmup: time.Millisecond, Duration: 20 * time.Second, Requests: 500, Pool: 20}
}

func TestQueryACorrectRelay(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{}), 1500)
	run := mustRun(t, s, quickQuery())
	wantFaults(t, run)
	for _, class := range append(Classes(), All) {
		if l := run.Latencies[class]; l.Count == 0 || l.P50 <= 0 {
			t.Errorf("class %s: %+v", class, l)
		}
	}
	if n := metric(t, run, "events per REQ"); n < 5 {
		t.Errorf("%.1f events per REQ: the filters find too little", n)
	}
}

func TestQueryNamesTheFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flaws flaws
		want  []FaultName
	}{
		"forgets after OK":     {flaws{forget: 10}, []FaultName{MissingStored}},
		"loses an event":       {flaws{loseStored: 100}, []FaultName{MissingStored}},
		"sends an event twice": {flaws{doubleStored: 100}, []FaultName{DoubleStored, OverLimit}},
		"oldest first":         {flaws{oldestFirst: true}, []FaultName{WrongOrder}},
		"ignores limit":        {flaws{ignoreLimit: true}, []FaultName{OverLimit}},
		"wrong matches":        {flaws{wrongStored: true}, []FaultName{WrongStored}},
		"alters events":        {flaws{alter: 50}, []FaultName{Altered}},
		"EOSE twice":           {flaws{eoseTwice: 50}, []FaultName{EOSETwice}},
		"EOSE missing":         {flaws{noEOSE: 100}, []FaultName{NoEOSE}},
		"keeps old versions":   {flaws{keepReplaced: true}, []FaultName{ReplacedServed}},
		"keeps deleted notes":  {flaws{keepDeleted: true}, []FaultName{DeletedServed}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFaults(t, mustRun(t, openSession(t, startTiny(t, c.flaws), 1000), quickQuery()), c.want...)
		})
	}
}
