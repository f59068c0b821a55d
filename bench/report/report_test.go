package report

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"moa/bench"
)

// sample is a report about relays; factor scales the rates and divides the
// latencies of each.
func sample(factors map[string]float64, names ...string) *bench.Report {
	r := &bench.Report{Corpus: bench.CorpusFacts{Source: bench.Generated, Seed: 7, Events: 1000}}
	for _, name := range names {
		f := factors[name]
		result := bench.Result{Workload: "publish", Target: bench.TargetFacts{Name: name}}
		for i := range 5 {
			wobble := 1 + float64(i)/100
			run := bench.Run{
				Seconds: 5,
				Metrics: []bench.Metric{
					{Name: "accepted", Unit: "events/s", Value: 1000 * f * wobble, Better: bench.Higher},
					{Name: "generator CPU", Unit: "cores", Value: 0.5},
				},
				Latencies: map[string]bench.Latency{"publish": {Count: 100, P50: 2 / f * wobble, P90: 3 / f, P99: 4 / f * wobble, Max: 9, Curve: make([]float64, len(bench.CurvePercentiles))}},
			}
			for s := range 5 {
				run.Series = append(run.Series, bench.Point{At: float64(s + 1), Rate: 1000 * f, P50: 2, P99: 4, BenchCPU: 0.4, ServerCPU: 1.1, ServerRSS: 60, Warmup: s == 0})
			}
			result.Runs = append(result.Runs, run)
		}
		r.Results = append(r.Results, result)
	}
	return r
}

func render(t *testing.T, write func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func wantLines(t *testing.T, text string, want ...string) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	for _, w := range want {
		if !slices.Contains(lines, w) {
			t.Errorf("there is no line %q in:\n%s", w, strings.Join(lines, "\n"))
		}
	}
}

func TestTextShowsFiguresAndFaults(t *testing.T) {
	r := sample(map[string]float64{"moa": 2}, "moa")
	r.Results[0].Runs[0].Faults = []bench.Fault{{Name: bench.OKTwice, Count: 3, Example: "abc"}}
	r.Results[0].Runs[0].Refused = map[string]int64{"blocked": 4}
	r.Results[0].Runs[0].Warnings = []string{"beware"}
	text := render(t, func(b *bytes.Buffer) error { return Text(b, r) })
	wantLines(t, text, "accepted 2,040 events/s ± 2 %", "publish 500 1.02 1.50 2.04 0 9.00", "FAULT ok-twice 3 e.g. abc",
		"refused blocked 4", "! beware", "FAILED: moa made faults; figures of a relay that answers wrongly are worth nothing.")
}

// TestColdStandsBesideWarm is the table of one store's size.
func TestColdStandsBesideWarm(t *testing.T) {
	r := sample(map[string]float64{"moa": 1}, "moa")
	for i := range r.Results[0].Runs {
		l := r.Results[0].Runs[i].Latencies
		l["home"], l["home"+bench.Cold] = bench.Latency{Count: 10, P50: 1, P90: 2, P99: 3, P999: 4, Max: 5}, bench.Latency{Count: 2, P50: 60, P99: 70, Max: 80}
	}
	wantLines(t, render(t, func(b *bytes.Buffer) error { return Text(b, r) }),
		"latency, ms count p50 p90 p99 p99.9 max cold count cold p50 cold p99 cold max", "home 50 1.00 2.00 3.00 4.00 5.00 10 60.0 70.0 80.0")
	wantLines(t, render(t, func(b *bytes.Buffer) error { return Markdown(b, r) }),
		"| home | 50 | 1.00 | 2.00 | 3.00 | 4.00 | 5.00 | 10 | 60.0 | 70.0 | 80.0 |", "| accepted, events/s | 1,020 ± 2 % |")
	if page := render(t, func(b *bytes.Buffer) error { return HTML(b, r) }); !strings.Contains(page, "<td>60.0</td><td>70.0</td>") {
		t.Error("the page lacks the cold figures")
	}
}

func TestComparisonShowsRatios(t *testing.T) {
	r := sample(map[string]float64{"moa": 4, "other": 1}, "moa", "other")
	wantLines(t, render(t, func(b *bytes.Buffer) error { return Versus(b, r) }),
		"moa other ratio to moa", "accepted, events/s 4,080 ± 2 % 1,020 ± 2 % 0.25", "publish p50, ms 0.51 ± 2 % 2.04 ± 2 % 4.00", "No fault was found.")
	wantLines(t, render(t, func(b *bytes.Buffer) error { return Markdown(b, r) }),
		"| accepted, events/s | 4,080 ± 2 % | 1,020 ± 2 % | 0.25 |")
}

func TestDiffTellsChangeFromChance(t *testing.T) {
	before := sample(map[string]float64{"moa": 1}, "moa")
	for _, c := range []struct {
		factor float64
		worse  bool
		lines  []string
	}{
		{2, false, []string{"accepted, events/s 1,020 ± 2 % 2,040 ± 2 % +100.0 % 0.008 better", "publish p50, ms 2.04 ± 2 % 1.02 ± 2 % -50.0 % 0.008 better"}},
		{0.5, true, []string{"accepted, events/s 1,020 ± 2 % 510 ± 2 % -50.0 % 0.008 worse"}},
		{1.005, false, []string{"generator CPU, cores 0.5 0.5 +0.0 % 1.000 ~"}},
	} {
		after := sample(map[string]float64{"moa": c.factor}, "moa")
		var worse bool
		text := render(t, func(b *bytes.Buffer) (err error) { worse, err = Diff(b, before, after); return err })
		wantLines(t, text, c.lines...)
		if worse != c.worse {
			t.Errorf("factor %v: worse is %v", c.factor, worse)
		}
	}
	after := sample(map[string]float64{"moa": 1}, "moa")
	after.Results[0].Runs[0].Faults = []bench.Fault{{Name: bench.LostAfterOK, Count: 1}}
	if worse, err := Diff(new(bytes.Buffer), before, after); err != nil || !worse {
		t.Errorf("a new fault: worse %v, %v", worse, err)
	}
	after.Results[0].Runs = after.Results[0].Runs[1:3]
	wantLines(t, render(t, func(b *bytes.Buffer) error { _, err := Diff(b, before, after); return err }),
		"! fewer than 4 runs on a side: no difference can be told from chance (--repeat 4)")
	after.Results[0].Workload = "query"
	if _, err := Diff(new(bytes.Buffer), before, after); err != ErrNothingInCommon {
		t.Errorf("nothing in common: %v", err)
	}
}

func TestReportsSurviveJSON(t *testing.T) {
	r := sample(map[string]float64{"moa": 1}, "moa")
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back bench.Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	a := render(t, func(b *bytes.Buffer) error { return Text(b, r) })
	if b := render(t, func(b *bytes.Buffer) error { return Text(b, &back) }); a != b {
		t.Errorf("the report reads differently after JSON:\n%s\n%s", a, b)
	}
}

func TestNumbersReadWell(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.01234: "0.0123", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 1234.5: "1,234", 1234567: "1,234,567", -98765: "-98,765"} {
		if got := number(v); got != want {
			t.Errorf("%v reads %s, want %s", v, got, want)
		}
	}
}
