package bench

import (
	"maps"
	"slices"
	"strings"
)

// Row is one figure of a result over all its runs.
type Row struct {
	Name   string
	Unit   string
	Better Better
	Values []float64 // one for each run that has it
}

// Median returns the middle value, 0 if there is none.
func (r Row) Median() float64 {
	v := slices.Sorted(slices.Values(r.Values))
	switch n := len(v); {
	case n == 0:
		return 0
	case n%2 == 1:
		return v[n/2]
	default:
		return (v[n/2-1] + v[n/2]) / 2
	}
}

// Spread returns half the distance from the lowest to the highest value as a
// share of the median, 0 if that means nothing.
func (r Row) Spread() float64 {
	if len(r.Values) < 2 || r.Median() == 0 {
		return 0
	}
	return (slices.Max(r.Values) - slices.Min(r.Values)) / 2 / r.Median()
}

// Rows returns the metrics of all runs, in the order of the first.
func (r *Result) Rows() []Row {
	var rows []Row
	at := map[string]int{}
	for _, run := range r.Runs {
		for _, m := range run.Metrics {
			i, known := at[m.Name]
			if !known {
				i = len(rows)
				at[m.Name] = i
				rows = append(rows, Row{Name: m.Name, Unit: m.Unit, Better: m.Better})
			}
			rows[i].Values = append(rows[i].Values, m.Value)
		}
	}
	return rows
}

// Classes returns the names of the latency classes, All first, and each cold one
// behind its other.
func (r *Result) Classes() []string {
	names := map[string]bool{}
	for _, run := range r.Runs {
		for name := range run.Latencies {
			names[name] = true
		}
	}
	return slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		x, y := strings.TrimSuffix(a, Cold), strings.TrimSuffix(b, Cold)
		switch {
		case x == y:
			return len(a) - len(b)
		case x == All:
			return -1
		case y == All:
			return 1
		}
		return strings.Compare(x, y)
	})
}

// Percentile is one column of a latency table.
type Percentile struct {
	Name string
	Of   func(Latency) float64
}

// Percentiles are the columns of a latency table.
var Percentiles = []Percentile{
	{"p50", func(l Latency) float64 { return l.P50 }},
	{"p90", func(l Latency) float64 { return l.P90 }},
	{"p99", func(l Latency) float64 { return l.P99 }},
	{"p99.9", func(l Latency) float64 { return l.P999 }},
	{"max", func(l Latency) float64 { return l.Max }},
}

// LatencyRow returns a class's percentile over all runs, in milliseconds.
func (r *Result) LatencyRow(class string, p Percentile) Row {
	row := Row{Name: class + " " + p.Name, Unit: "ms", Better: Lower}
	for _, run := range r.Runs {
		if l, ok := run.Latencies[class]; ok {
			row.Values = append(row.Values, p.Of(l))
		}
	}
	return row
}

// Faults returns the faults of all runs together.
func (r *Result) Faults() []Fault {
	var sum faults
	for _, run := range r.Runs {
		for _, f := range run.Faults {
			sum.addN(f.Name, f.Count, func() string { return f.Example })
		}
	}
	return sum.list()
}

// Refused returns the refusals of all runs together.
func (r *Result) Refused() map[string]int64 {
	sum := map[string]int64{}
	for _, run := range r.Runs {
		for prefix, n := range run.Refused {
			sum[prefix] += n
		}
	}
	return sum
}

// Remarks returns the different notes, or warnings, of all runs.
func (r *Result) Remarks(of func(Run) []string) []string {
	var out []string
	for _, run := range r.Runs {
		for _, text := range of(run) {
			if !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}
