package report

import (
	"cmp"
	"embed"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"moa/bench"
)

// assets are the page and uPlot 1.6.32 (MIT, its licence beside it), so that
// the page opens without a network.
//
//go:embed assets
var assets embed.FS

var page = template.Must(template.ParseFS(assets, "assets/page.html"))

// HTML writes the report as one page that needs nothing else.
func HTML(w io.Writer, r *bench.Report) error {
	c := &charter{}
	d := pageData{
		Title: "Load test: " + strings.Join(targets(r), " · "), When: r.Started.UTC().Format("2006-01-02 15:04 UTC"),
		Corpus: corpusFacts(r), Machine: machineFacts(r),
		Partial:  r.Partial,
		Warnings: r.Warnings,
		UPlotCSS: template.CSS(asset("uPlot.min.css")), CSS: template.CSS(asset("page.css")),
		UPlotJS: template.JS(asset("uPlot.iife.min.js")), JS: template.JS(asset("page.js")),
	}
	if bad := faulty(r); len(bad) > 0 {
		d.Bad = strings.Join(bad, ", ") + " made faults"
	}
	for i, group := range groups(r) {
		s := section{Anchor: group[0].Workload + strconv.Itoa(i), Cards: cards(group), Charts: c.charts(group)}
		for _, t := range groupTables(group) {
			s.Title, s.With = cmp.Or(s.Title, t.title), cmp.Or(s.With, t.with)
			s.Tables = append(s.Tables, tableData{t.head, t.rows})
			s.Remarks = append(s.Remarks, t.remarks...)
		}
		d.Sections = append(d.Sections, s)
	}
	d.Charts = c.all
	return page.Execute(w, d)
}

func asset(name string) string {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return string(text)
}

// pageData is what the template shows.
type pageData struct {
	Title, When, Corpus, Machine, Bad string
	Partial                           bool
	Warnings                          []string
	Sections                          []section
	Charts                            []chart
	UPlotCSS, CSS                     template.CSS
	UPlotJS, JS                       template.JS
}

type section struct {
	Title, With, Anchor string
	Tables              []tableData
	Remarks             []remark
	Cards               []card
	Charts              []chart
}

type tableData struct {
	Head []string
	Rows [][]string
}

// card is one figure to see first, of every relay in a group.
type card struct {
	Name, Unit string
	Values     []cardValue
}

// cardValue is one relay's figure; Share is its size beside the largest, in
// percent, 0 if there is nothing beside it.
type cardValue struct {
	Relay, Text string
	Share       float64
	Color       int
}

// cards are the main rate, the latencies of the main class and what an operation
// costs.
func cards(group []*bench.Result) (out []card) {
	for i, row := range group[0].Rows() {
		if i == 0 || strings.HasPrefix(row.Name, "relay CPU per") || strings.HasPrefix(row.Name, "relay RSS per") {
			out = append(out, cardOf(group, row, func(r *bench.Result) bench.Row { return rowNamed(r, row.Name) }))
		}
	}
	class := mainClass(group[0])
	for _, p := range bench.Percentiles {
		if class != "" && (p.Name == "p50" || p.Name == "p99") {
			out = append(out, cardOf(group, group[0].LatencyRow(class, p), func(r *bench.Result) bench.Row { return r.LatencyRow(class, p) }))
		}
	}
	return out
}

func cardOf(group []*bench.Result, first bench.Row, of func(*bench.Result) bench.Row) card {
	c := card{Name: first.Name, Unit: first.Unit}
	most := 0.0
	for _, r := range group {
		most = max(most, of(r).Median())
	}
	for i, r := range group {
		row := of(r)
		v := cardValue{Relay: r.Target.Name, Text: "–", Color: i % colors}
		if len(row.Values) > 0 {
			v.Text = figure(row)
		}
		if len(group) > 1 && most > 0 {
			v.Share = 100 * row.Median() / most
		}
		c.Values = append(c.Values, v)
	}
	return c
}

// colors is how many the page has.
const colors = 10

// mainClass is the class that stands for a workload: all together, or the one
// that was measured most.
func mainClass(r *bench.Result) string {
	best, most := "", -1.0
	for _, class := range r.Classes() {
		if isCold(class) {
			continue
		}
		if n := count(r, class); class == bench.All || n > most {
			if best, most = class, n; class == bench.All {
				break
			}
		}
	}
	return best
}

// chart is what the page's script draws.
type chart struct {
	ID     int    `json:"id"`
	Title  string `json:"title"`
	Unit   string `json:"unit"`
	Kind   string `json:"kind"` // "time" or "percentile"
	Log    bool   `json:"log"`
	Series []line `json:"series"`
}

type line struct {
	Label  string    `json:"label"`
	Color  int       `json:"color"`
	Dashed bool      `json:"dashed"`
	X      []float64 `json:"x"`
	Y      []float64 `json:"y"`
}

// charter numbers charts.
type charter struct{ all []chart }

func (c *charter) add(title, unit, kind string, log bool, lines []line) (out []chart) {
	lines = slices.DeleteFunc(lines, func(l line) bool { return len(l.X) == 0 || slices.Max(l.Y) == 0 })
	if len(lines) == 0 {
		return nil
	}
	made := chart{ID: len(c.all), Title: title, Unit: unit, Kind: kind, Log: log, Series: lines}
	c.all = append(c.all, made)
	return []chart{made}
}

// charts draws a group's course and latencies.
func (c *charter) charts(group []*bench.Result) (out []chart) {
	overTime := func(title, unit string, of ...value) {
		out = append(out, c.add(title, unit, "time", false, courses(group, of))...)
	}
	overTime("Rate over time, operations a second", "/s", value{"", func(p bench.Point) float64 { return p.Rate }})
	out = append(out, c.add("Latency by percentile, ms", "ms", "percentile", true, curves(group, false))...)
	out = append(out, c.add("Latency by percentile, cold, ms", "ms", "percentile", true, curves(group, true))...)
	overTime("Latency over time, ms", "ms", value{"p50", func(p bench.Point) float64 { return p.P50 }}, value{"p99", func(p bench.Point) float64 { return p.P99 }})
	overTime("CPU, cores", "cores", value{"", func(p bench.Point) float64 { return p.ServerCPU }}, value{"generator", func(p bench.Point) float64 { return p.BenchCPU }})
	overTime("Memory of the relay, MB", "MB", value{"", func(p bench.Point) float64 { return p.ServerRSS }})
	if !slices.Contains([]string{"publish", "query"}, group[0].Workload) { // there they never change
		overTime("Open connections", "", value{"", func(p bench.Point) float64 { return float64(p.Conns) }})
	}
	return out
}

// value is one of a point's figures.
type value struct {
	name string // "": the relay's
	of   func(bench.Point) float64
}

// courses draws the last run of each relay; the second value is dashed.
func courses(group []*bench.Result, of []value) (lines []line) {
	for color, r := range group {
		if len(r.Runs) == 0 {
			continue
		}
		run := r.Runs[len(r.Runs)-1]
		for i, v := range of {
			l := line{Label: strings.TrimSpace(r.Target.Name + " " + v.name), Color: color, Dashed: i > 0}
			for _, p := range run.Series {
				l.X = append(l.X, math.Round(p.At*10)/10)
				l.Y = append(l.Y, v.of(p))
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// curves draws the latencies of the last runs, cold ones or the others: of every
// class for one relay, of the main class for several.
func curves(group []*bench.Result, cold bool) (lines []line) {
	for color, r := range group {
		if len(r.Runs) == 0 {
			continue
		}
		last := r.Runs[len(r.Runs)-1].Latencies
		if len(group) > 1 {
			class := mainClass(r)
			if cold {
				class += bench.Cold
			}
			lines = append(lines, curve(r.Target.Name, color, last[class]))
			continue
		}
		for _, class := range r.Classes() {
			if isCold(class) == cold {
				lines = append(lines, curve(strings.TrimSuffix(class, bench.Cold), len(lines), last[class]))
			}
		}
	}
	return lines
}

func curve(label string, color int, l bench.Latency) line {
	out := line{Label: label, Color: color}
	for i, p := range bench.CurvePercentiles {
		// Of 100 operations, none says anything of one in a thousand.
		if i >= len(l.Curve) || p == 100 || float64(l.Count)*(1-p/100) < 0.999 {
			break
		}
		out.X = append(out.X, -math.Log10(1-p/100))
		out.Y = append(out.Y, max(l.Curve[i], 0.001))
	}
	return out
}

// targets are the names of the relays, in order.
func targets(r *bench.Report) (out []string) {
	for _, result := range r.Results {
		if !slices.Contains(out, result.Target.Name) {
			out = append(out, result.Target.Name)
		}
	}
	return out
}
