package report

import (
	"errors"
	"fmt"
	"io"

	"github.com/aclements/go-moremath/stats"

	"moa/bench"
)

// Alpha is the chance of being fooled that Diff takes: a difference counts if
// runs of one and the same thing would look so different less often than that.
const Alpha = 0.05

// enoughRuns is how many runs each side needs before the U test can find
// anything at Alpha.
const enoughRuns = 4

// ErrNothingInCommon says that no workload is in both reports.
var ErrNothingInCommon = errors.New("the two reports have no workload in common")

// change is a figure in both reports.
type change struct {
	old, new bench.Row
	p        float64 // 1 if it cannot be said
}

// significant reports a difference that is hardly chance.
func (c change) significant() bool { return c.p < Alpha }

// verdict is "better" or "worse", "differs" for a figure that has no good
// direction, and "~" for what may be chance.
func (c change) verdict() string {
	better := c.new.Median() > c.old.Median()
	switch {
	case !c.significant():
		return "~"
	case c.old.Better == bench.Neither:
		return "differs"
	case better == (c.old.Better == bench.Higher):
		return "better"
	}
	return "worse"
}

func compare(a, b bench.Row) change {
	c := change{old: a, new: b, p: 1}
	// It fails if all values are equal or there are none: no difference.
	if u, err := stats.MannWhitneyUTest(a.Values, b.Values, stats.LocationDiffers); err == nil {
		c.p = u.P
	}
	return c
}

// Diff writes what changed from the old report to the new one and whether that
// means anything (Mann-Whitney U test). It reports whether something got worse.
func Diff(w io.Writer, before, after *bench.Report) (worse bool, err error) {
	p := &printer{w: w}
	common, few := false, false
	for i := range before.Results {
		a := &before.Results[i]
		b := partner(before, after, a)
		if b == nil {
			continue
		}
		common = true
		few = few || len(a.Runs) < enoughRuns || len(b.Runs) < enoughRuns
		t := table{
			title: fmt.Sprintf("%s · %s (%d runs) → %s (%d runs)", a.Workload, a.Target.Name, len(a.Runs), b.Target.Name, len(b.Runs)),
			head:  []string{"", "old", "new", "change", "p", ""},
		}
		for _, c := range changes(a, b) {
			t.rows = append(t.rows, c.cells())
			worse = worse || c.verdict() == "worse"
		}
		t.text(p)
		worse = p.faults(a, b) || worse
	}
	if !common {
		return false, ErrNothingInCommon
	}
	if few {
		p.printf("\n! fewer than %d runs on a side: no difference can be told from chance (--repeat %d)\n", enoughRuns, enoughRuns)
	}
	return worse, p.err
}

// partner finds the result to compare with: of the same workload and relay, or
// if each report has one relay only, of the same workload.
func partner(before, after *bench.Report, a *bench.Result) *bench.Result {
	single := oneTarget(before) && oneTarget(after)
	for i := range after.Results {
		b := &after.Results[i]
		if b.Workload == a.Workload && (single || b.Target.Name == a.Target.Name) {
			return b
		}
	}
	return nil
}

func oneTarget(r *bench.Report) bool {
	for i := range r.Results {
		if r.Results[i].Target.Name != r.Results[0].Target.Name {
			return false
		}
	}
	return true
}

func changes(a, b *bench.Result) (out []change) {
	for _, row := range a.Rows() {
		if other := rowNamed(b, row.Name); len(other.Values) > 0 {
			out = append(out, compare(row, other))
		}
	}
	for _, class := range a.Classes() {
		for _, p := range bench.Percentiles {
			if p.Name != "p50" && p.Name != "p99" {
				continue
			}
			if other := b.LatencyRow(class, p); len(other.Values) > 0 {
				out = append(out, compare(a.LatencyRow(class, p), other))
			}
		}
	}
	return out
}

func (c change) cells() []string {
	moved := "–"
	if c.old.Median() != 0 {
		moved = fmt.Sprintf("%+.1f %%", 100*(c.new.Median()/c.old.Median()-1))
	}
	value := func(r bench.Row) string {
		if s := spread(r); s != "" {
			return number(r.Median()) + " " + s
		}
		return number(r.Median())
	}
	return []string{c.old.Name + ", " + c.old.Unit, value(c.old), value(c.new), moved, fmt.Sprintf("%.3f", c.p), c.verdict()}
}

// faults names what only one of the two does wrong; it reports new faults.
func (p *printer) faults(a, b *bench.Result) (worse bool) {
	count := func(r *bench.Result) map[bench.FaultName]int64 {
		out := map[bench.FaultName]int64{}
		for _, f := range r.Faults() {
			out[f.Name] = f.Count
		}
		return out
	}
	before, after := count(a), count(b)
	for _, f := range b.Faults() {
		if before[f.Name] == 0 {
			p.printf("  NEW FAULT %s, %d times\n", f.Name, f.Count)
			worse = true
		}
	}
	for _, f := range a.Faults() {
		if after[f.Name] == 0 {
			p.printf("  gone: fault %s\n", f.Name)
		}
	}
	return worse
}
