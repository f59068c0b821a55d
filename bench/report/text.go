// Package report shows what a load test has measured: as text for a terminal,
// as Markdown, as one HTML page, and as a comparison of two results.
package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"moa/bench"
)

// Text writes the report for a terminal.
func Text(w io.Writer, r *bench.Report) error {
	p := &printer{w: w}
	p.facts(r, "")
	for i := range r.Results {
		p.result(&r.Results[i])
	}
	for _, warning := range r.Warnings {
		p.printf("\n! %s\n", warning)
	}
	p.verdict(r)
	return p.err
}

// facts writes what was used for the test, each line after a mark.
func (p *printer) facts(r *bench.Report, mark string) {
	p.printf("\n%s%s\n%s%s\n", mark, corpusFacts(r), mark, machineFacts(r))
}

func corpusFacts(r *bench.Report) string {
	c, name := r.Corpus, "corpus "+r.Corpus.Source
	if c.Source == bench.Generated {
		name = fmt.Sprintf("corpus of seed %d", c.Seed)
	}
	return fmt.Sprintf("%s, %s events of %.0f bytes by %s authors", name, whole(float64(c.Events)), c.MeanSize, whole(float64(c.Authors)))
}

func machineFacts(r *bench.Report) string {
	m := r.Machine
	return fmt.Sprintf("%s, %d cores, %s/%s, %s", cmp.Or(m.CPU, "unknown CPU"), m.Cores, m.OS, m.Arch, m.Go)
}

// printer writes until the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) result(r *bench.Result) {
	runs := ""
	if len(r.Runs) > 1 {
		runs = fmt.Sprintf(", median of %d runs ± half their range", len(r.Runs))
	}
	partial := ""
	if len(r.Runs) > 0 && r.Runs[len(r.Runs)-1].Partial {
		partial = " (cut short)"
	}
	p.printf("\n%s · %s%s%s\n", strings.ToUpper(r.Workload), r.Target.Name, runs, partial)
	if len(r.Settings) > 0 {
		p.printf("  with %s\n", strings.Join(r.Settings, " · "))
	}
	for _, row := range r.Rows() {
		p.printf("  %-30s %12s %-14s %s\n", row.Name, figure(row), row.Unit, spread(row))
	}
	if l := latencies(r); len(l.rows) > 0 {
		l.text(p)
	}
	refused := r.Refused()
	for _, prefix := range slices.Sorted(maps.Keys(refused)) {
		p.printf("  refused  %-20s %d\n", prefix, refused[prefix])
	}
	for _, f := range r.Faults() {
		p.printf("  FAULT    %-20s %d   e.g. %.150s\n", f.Name, f.Count, f.Example)
	}
	for _, text := range r.Remarks(func(run bench.Run) []string { return run.Warnings }) {
		p.printf("  ! %s\n", text)
	}
	for _, text := range r.Remarks(func(run bench.Run) []string { return run.Notes }) {
		p.printf("  - %s\n", text)
	}
}

func (p *printer) verdict(r *bench.Report) {
	if r.Partial {
		p.printf("\nThe test was cut short: the figures are of what was done until then.\n")
	}
	bad := faulty(r)
	if len(bad) == 0 {
		p.printf("\nNo fault was found.\n")
		return
	}
	p.printf("\nFAILED: %s made faults; figures of a relay that answers wrongly are worth nothing.\n", strings.Join(bad, ", "))
}

// faulty returns the relays that made faults.
func faulty(r *bench.Report) (out []string) {
	for i := range r.Results {
		if name := r.Results[i].Target.Name; len(r.Results[i].Faults()) > 0 && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// count sums up how many operations of a class were measured.
func count(r *bench.Result, class string) (n float64) {
	for _, run := range r.Runs {
		n += float64(run.Latencies[class].Count)
	}
	return n
}

// figure writes a row's median, whole if all its values are: three connections
// are not 3.00.
func figure(r bench.Row) string {
	m := r.Median()
	if slices.ContainsFunc(append([]float64{m}, r.Values...), func(v float64) bool { return v != math.Trunc(v) }) {
		return number(m)
	}
	return whole(m)
}

// whole writes a count.
func whole(v float64) string { return grouped(strconv.FormatFloat(v, 'f', 0, 64)) }

// number writes a value with three digits that count, and large ones whole.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 1000:
		return grouped(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}

// grouped puts commas between thousands.
func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func spread(r bench.Row) string {
	if s := r.Spread(); s > 0 {
		return fmt.Sprintf("± %.0f %%", 100*s)
	}
	return ""
}
