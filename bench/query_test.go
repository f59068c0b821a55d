package bench

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"moa/bench/corpus"
	"moa/nips/event"
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
		"event for nobody":     {flaws{stray: 50}, []FaultName{EarlyEvent}},
		"not a message":        {flaws{garbage: 50}, []FaultName{BadFrame}},
		"hangs up":             {flaws{hangUp: 200}, []FaultName{Dropped}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantNamed(t, c.flaws, 1000, quickQuery(), c.want...)
		})
	}
}

func TestTiesAreByLowestID(t *testing.T) {
	t.Parallel()
	made := corpus.Generate(corpus.Config{Seed: 7, Events: 600, Authors: 60, Base: time.Now().Unix() - 60, Span: time.Minute})
	for reversed, want := range map[bool][]FaultName{false: nil, true: {TieOrder}} {
		s, err := Open(t.Context(), Options{Target: Target{URL: startTiny(t, flaws{tiesReversed: reversed}).url}, Corpus: made})
		if err != nil {
			t.Fatal(err)
		}
		wantFaults(t, mustRun(t, s, quickQuery()), want...)
	}
}

// fewQueries ask each query of a small pool twice.
func fewQueries() Query {
	q := quickQuery()
	q.Pool, q.Requests = 8, 144
	return q
}

// partOfFilled fills a correct relay with a network, gives it the flaws, and
// opens a session that knows every nth event only.
func partOfFilled(t *testing.T, f flaws, nth int) *Session {
	t.Helper()
	r := startTiny(t, flaws{})
	whole := openSession(t, r, 800)
	if err := whole.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.flaws = f
	r.mu.Unlock()
	part := *whole.Corpus
	part.Events = nil
	for i := nth - 1; i < len(whole.Corpus.Events); i += nth {
		part.Events = append(part.Events, whole.Corpus.Events[i])
	}
	o := whole.Options
	o.Corpus, o.Prefilled = &part, true
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPrefilledRelayMayHoldMoreThanTheCorpus(t *testing.T) {
	t.Parallel()
	for _, nth := range []int{1, 3, 20} {
		s := partOfFilled(t, flaws{}, nth)
		run := mustRun(t, s, fewQueries())
		wantFaults(t, run)
		if n := metric(t, run, "events per REQ"); n < 5 {
			t.Errorf("one in %d: %.1f events per REQ", nth, n)
		}
		if len(run.Notes) == 0 || !strings.Contains(run.Notes[0], "by id") {
			t.Errorf("one in %d: the notes do not say what the relay holds: %q", nth, run.Notes)
		}
	}
}

func TestPrefilledRelayIsCaughtByAPartOfTheCorpus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flaws flaws
		want  []FaultName
	}{
		"loses an event":       {flaws{loseStored: 20}, []FaultName{MissingStored}},
		"sends an event twice": {flaws{doubleStored: 100}, []FaultName{DoubleStored, OverLimit}},
		"oldest first":         {flaws{oldestFirst: true}, []FaultName{WrongOrder}},
		"ignores limit":        {flaws{ignoreLimit: true}, []FaultName{OverLimit}},
		"wrong matches":        {flaws{wrongStored: true}, []FaultName{WrongStored}},
		"alters events":        {flaws{alter: 50}, []FaultName{Altered}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFaults(t, mustRun(t, partOfFilled(t, c.flaws, 3), fewQueries()), c.want...)
		})
	}
}

func TestRelayWithoutTheCorpusIsSaidSo(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{}), 300)
	s.Prefilled = true
	run := mustRun(t, s, fewQueries())
	wantFaults(t, run)
	if len(run.Warnings) == 0 || !strings.Contains(run.Warnings[0], "none of 300 events") {
		t.Errorf("warnings are %q", run.Warnings)
	}
}

// TestFaultsWhileFillingCount finds a relay that errs only while the corpus is
// published to it, which nobody measures.
func TestFaultsWhileFillingCount(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{okTwice: 100, refuse: 50}), 500)
	run := mustRun(t, s, fewQueries())
	wantFaults(t, run, OKTwice)
	if !slices.ContainsFunc(run.Notes, func(n string) bool { return strings.Contains(n, "10 answers were blocked") }) {
		t.Errorf("the notes say nothing of refused events: %q", run.Notes)
	}
	wantFaults(t, mustRun(t, s, fewQueries()))
}

func TestColdQueriesComeFirstAndOnce(t *testing.T) {
	t.Parallel()
	s := openSession(t, startTiny(t, flaws{}), 500)
	restarts := 0
	s.Target.Restart = func(_ context.Context, crash bool, down func()) (int, error) {
		if crash {
			t.Error("the relay was killed for a cold start")
		}
		restarts++
		down()
		return 0, nil
	}
	w := fewQueries()
	w.Cold = true
	result, err := s.Do(t.Context(), w, 2)
	if err != nil {
		t.Fatal(err)
	}
	if restarts != 2 {
		t.Errorf("%d restarts for 2 runs", restarts)
	}
	for i := range result.Runs {
		run := &result.Runs[i]
		wantFaults(t, run)
		for _, class := range Classes() {
			if n := run.Latencies[class+Cold].Count; n != int64(w.Pool) {
				t.Errorf("%d cold queries of class %s, want each of %d once", n, class, w.Pool)
			}
		}
		if cold, warm := run.Latencies[All+Cold].Count, run.Latencies[All].Count; cold != int64(9*w.Pool) || warm == 0 {
			t.Errorf("%d cold and %d warm queries in all", cold, warm)
		}
	}
}

// TestAnswersAreLearnedOnce shows that a relay's own way to write an event, and
// events of others, are looked into once and then compared.
func TestAnswersAreLearnedOnce(t *testing.T) {
	t.Parallel()
	made := testCorpus(50)
	e := made.Events[0]
	own := slices.Concat([]byte(`{ "sig":"`), []byte(hex.EncodeToString(e.Sig[:])), []byte(`",`), e.Raw[1:bytes.LastIndex(e.Raw, []byte(`,"sig"`))], []byte(`}`))
	s := openSession(t, startTiny(t, flaws{}), 1)
	m, v := s.measureAs("test", 0), newTruth(true).view()
	defer m.finish()
	q := &query{class: IDs, filter: &event.Filter{IDs: []event.ID{e.ID}}}
	q.likely.Store(new([]piece(nil)))
	for round := range 2 {
		a := newAnswer(q)
		a.take(v, own, m)
		if looked := a.odd; looked != (round == 0) {
			t.Errorf("round %d: looked into: %v", round, looked)
		}
		a.judge(v, m, 0)
	}
	if n := m.faults.total(); n > 0 {
		t.Errorf("faults: %v", m.faults.list())
	}
}
