package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"moa/bench"
)

// table is a workload's figures for one relay, or for several beside each
// other.
type table struct {
	title   string
	with    string // what the workload was told
	head    []string
	rows    [][]string
	remarks []remark
}

// remark is a line under a table; its kind is "fault", "warning" or "note".
type remark struct{ Kind, Text string }

// tables makes the tables of every workload. The relays' order is that of their
// first results; ratios are to the first relay.
func tables(r *bench.Report) (out []table) {
	for _, group := range groups(r) {
		out = append(out, groupTables(group)...)
	}
	return out
}

// groups puts the results of one workload for several relays together.
func groups(r *bench.Report) (out [][]*bench.Result) {
	for i := 0; i < len(r.Results); {
		group := []*bench.Result{&r.Results[i]}
		for i++; i < len(r.Results) && r.Results[i].Workload == group[0].Workload && !has(group, r.Results[i].Target.Name); i++ {
			group = append(group, &r.Results[i])
		}
		out = append(out, group)
	}
	return out
}

func has(group []*bench.Result, target string) bool {
	return slices.ContainsFunc(group, func(r *bench.Result) bool { return r.Target.Name == target })
}

// groupTables is one table for several relays; for a single one the latencies
// stand in a table of their own.
func groupTables(group []*bench.Result) []table {
	t := table{title: group[0].Workload, with: strings.Join(group[0].Settings, " · "), head: []string{""}}
	if runs := len(group[0].Runs); runs > 1 {
		t.title += fmt.Sprintf(", median of %d runs ± half their range", runs)
	}
	for i, r := range group {
		t.head = append(t.head, r.Target.Name)
		if i > 0 {
			t.head = append(t.head, "ratio to "+group[0].Target.Name)
		}
	}
	for _, row := range group[0].Rows() {
		t.rows = append(t.rows, cells(group, row, func(r *bench.Result) bench.Row { return rowNamed(r, row.Name) }))
	}
	for _, r := range group {
		t.remarks = append(t.remarks, remarks(r, len(group) > 1)...)
	}
	if len(group) == 1 {
		l := latencies(group[0])
		if len(l.rows) == 0 {
			return []table{t}
		}
		l.remarks, t.remarks = t.remarks, nil
		return []table{t, l}
	}
	for _, class := range group[0].Classes() {
		for _, p := range bench.Percentiles {
			if p.Name == "p90" || p.Name == "max" {
				continue
			}
			first := group[0].LatencyRow(class, p)
			t.rows = append(t.rows, cells(group, first, func(r *bench.Result) bench.Row { return r.LatencyRow(class, p) }))
		}
	}
	return []table{t}
}

// latencies is a row for each class, and beside it what was measured cold.
func latencies(r *bench.Result) table {
	classes := r.Classes()
	cold := slices.ContainsFunc(classes, isCold)
	t := table{head: []string{"latency, ms"}}
	t.head = append(t.head, latencyHead("", bench.Percentiles)...)
	if cold {
		t.head = append(t.head, latencyHead("cold ", coldPercentiles)...)
	}
	for _, class := range classes {
		if isCold(class) {
			continue
		}
		row := append([]string{class}, latencyCells(r, class, bench.Percentiles)...)
		if cold {
			row = append(row, latencyCells(r, class+bench.Cold, coldPercentiles)...)
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// coldPercentiles are fewer: there are not many cold operations.
var coldPercentiles = slices.DeleteFunc(slices.Clone(bench.Percentiles), func(p bench.Percentile) bool {
	return p.Name == "p90" || p.Name == "p99.9"
})

func latencyHead(prefix string, percentiles []bench.Percentile) []string {
	out := []string{prefix + "count"}
	for _, p := range percentiles {
		out = append(out, prefix+p.Name)
	}
	return out
}

func latencyCells(r *bench.Result, class string, percentiles []bench.Percentile) []string {
	n := count(r, class)
	out := []string{whole(n)}
	for _, p := range percentiles {
		if n == 0 {
			out = append(out, "–")
		} else {
			out = append(out, number(r.LatencyRow(class, p).Median()))
		}
	}
	return out
}

func isCold(class string) bool { return strings.HasSuffix(class, bench.Cold) }

func rowNamed(r *bench.Result, name string) bench.Row {
	for _, row := range r.Rows() {
		if row.Name == name {
			return row
		}
	}
	return bench.Row{Name: name}
}

// cells is one row of the table: a value for each relay, and its ratio to the
// first.
func cells(group []*bench.Result, first bench.Row, of func(*bench.Result) bench.Row) []string {
	name := first.Name
	if first.Unit != "" && !strings.HasPrefix(name, first.Unit+" per ") {
		name += ", " + first.Unit
	}
	out := []string{name}
	for i, r := range group {
		row := of(r)
		if len(row.Values) == 0 {
			out = append(out, "–")
		} else {
			out = append(out, strings.TrimSpace(figure(row)+" "+spread(row)))
		}
		if i > 0 {
			out = append(out, ratio(row, first))
		}
	}
	return out
}

// ratio is of the medians, "" where it says nothing.
func ratio(row, first bench.Row) string {
	if len(row.Values) == 0 || len(first.Values) == 0 || first.Median() == 0 || row.Better == bench.Neither {
		return ""
	}
	return number(row.Median() / first.Median())
}

// remarks are a result's faults, warnings and notes, each named by its relay
// if there are several.
func remarks(r *bench.Result, named bool) (out []remark) {
	say := func(kind, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if named {
			text = r.Target.Name + ": " + text
		}
		out = append(out, remark{kind, text})
	}
	for _, f := range r.Faults() {
		say("fault", "FAULT %s, %d times, e.g. %.150s", f.Name, f.Count, f.Example)
	}
	refused := r.Refused()
	for _, prefix := range slices.Sorted(maps.Keys(refused)) {
		say("note", "refused %d times: %s", refused[prefix], prefix)
	}
	for _, text := range r.Remarks(func(run bench.Run) []string { return run.Warnings }) {
		say("warning", "warning: %s", text)
	}
	for _, text := range r.Remarks(func(run bench.Run) []string { return run.Notes }) {
		say("note", "%s", text)
	}
	return out
}

// text writes the table with aligned columns.
func (t table) text(p *printer) {
	if t.title != "" {
		p.printf("\n%s\n", strings.ToUpper(t.title))
	}
	if t.with != "" {
		p.printf("  with %s\n", t.with)
	}
	widths := make([]int, len(t.head))
	all := append([][]string{t.head}, t.rows...)
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range all {
		p.printf(" ")
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i == 0 {
				p.printf(" %s%s", cell, pad)
			} else {
				p.printf("  %s%s", pad, cell)
			}
		}
		p.printf("\n")
	}
	for _, r := range t.remarks {
		p.printf("  - %s\n", r.Text)
	}
}

// Versus writes a comparison of several relays for a terminal.
func Versus(w io.Writer, r *bench.Report) error {
	p := &printer{w: w}
	p.facts(r, "")
	for _, t := range tables(r) {
		t.text(p)
	}
	p.verdict(r)
	return p.err
}

// Markdown writes the report as tables for a README.
func Markdown(w io.Writer, r *bench.Report) error {
	p := &printer{w: w}
	p.facts(r, "- ")
	for _, t := range tables(r) {
		if t.title != "" {
			p.printf("\n### %s\n", t.title)
		}
		if t.with != "" {
			p.printf("\n%s\n", t.with)
		}
		p.printf("\n| %s |\n|%s\n", strings.Join(t.head, " | "), strings.Repeat(" --- |", len(t.head)))
		for _, row := range t.rows {
			p.printf("| %s |\n", strings.Join(row, " | "))
		}
		if len(t.remarks) > 0 {
			p.printf("\n")
		}
		for _, r := range t.remarks {
			p.printf("- %s\n", r.Text)
		}
	}
	p.verdict(r)
	return p.err
}
