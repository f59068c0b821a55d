package bench

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"moa/bench/corpus"
)

// Report is everything that was measured in one go. It is what the JSON holds.
type Report struct {
	Tool     string      `json:"tool"`
	Started  time.Time   `json:"started"`
	Took     float64     `json:"took_seconds"`
	Machine  Machine     `json:"machine"`
	Corpus   CorpusFacts `json:"corpus"`
	Results  []Result    `json:"results"`
	Partial  bool        `json:"partial,omitempty"` // it was cut short
	Warnings []string    `json:"warnings,omitempty"`
}

// Generated is the source of a corpus that follows from its seed.
const Generated = "generated"

// NewReport starts a report about loads with this corpus; source is Generated
// or a file's name.
func NewReport(c *corpus.Corpus, source string) *Report {
	return &Report{Tool: "moa bench", Started: time.Now(), Machine: thisMachine(), Corpus: CorpusFacts{
		Source: source, Seed: c.Config.Seed, Events: len(c.Events), Authors: len(c.People), MeanSize: c.MeanSize(),
	}}
}

// Add adds a result.
func (r *Report) Add(result Result) {
	r.Results = append(r.Results, result)
	r.Took = time.Since(r.Started).Seconds()
	for _, run := range result.Runs {
		r.Partial = r.Partial || run.Partial
	}
}

// CorpusFacts say what the relays were loaded with.
type CorpusFacts struct {
	Source   string  `json:"source"` // Generated or a file's name
	Seed     uint64  `json:"seed,omitempty"`
	Events   int     `json:"events"`
	Authors  int     `json:"authors"`
	MeanSize float64 `json:"mean_bytes"`
}

// Result is one workload against one relay, run once or several times.
type Result struct {
	Workload string      `json:"workload"`
	Target   TargetFacts `json:"target"`
	Settings []string    `json:"settings"` // "connections 8", those that are not zero
	Runs     []Run       `json:"runs"`
}

// settings names what a workload's fields say, as its JSON names them.
func settings(w Workload) (out []string) {
	v := reflect.ValueOf(w)
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if value := v.FieldByIndex(f.Index); name != "" && name != "-" && !value.IsZero() {
			out = append(out, fmt.Sprint(name, " ", value.Interface()))
		}
	}
	return out
}

// TargetFacts say which relay it was.
type TargetFacts struct {
	Name     string `json:"name"`
	URL      string `json:"url"`
	Software string `json:"software,omitempty"` // as its NIP-11 says
	Version  string `json:"version,omitempty"`
}

// Run is one run of a workload.
type Run struct {
	Started   time.Time          `json:"started"`
	Seconds   float64            `json:"seconds"` // measured, warm-up apart
	Metrics   []Metric           `json:"metrics"`
	Latencies map[string]Latency `json:"latencies,omitempty"` // by class
	Series    []Point            `json:"series,omitempty"`
	Refused   map[string]int64   `json:"refused,omitempty"` // by reason prefix
	Faults    []Fault            `json:"faults,omitempty"`
	Notes     []string           `json:"notes,omitempty"`    // what a reader should know
	Warnings  []string           `json:"warnings,omitempty"` // what makes the figures doubtful
	Partial   bool               `json:"partial,omitempty"`
	settings  []string
}

// Better says which way a metric improves.
type Better string

const (
	Higher  Better = "higher"
	Lower   Better = "lower"
	Neither Better = ""
)

// Metric is one figure of a run.
type Metric struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Value  float64 `json:"value"`
	Better Better  `json:"better,omitempty"`
}

// Metric returns the value of that name.
func (r *Run) Metric(name string) (Metric, bool) {
	for _, m := range r.Metrics {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}

// Point is one interval of a run's course.
type Point struct {
	At        float64 `json:"at"`   // seconds since the start, at the interval's end
	Rate      float64 `json:"rate"` // operations a second
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Errors    int64   `json:"errors,omitempty"`
	Conns     int64   `json:"conns,omitempty"`
	ServerCPU float64 `json:"server_cpu,omitempty"` // cores
	ServerRSS float64 `json:"server_rss_mb,omitempty"`
	BenchCPU  float64 `json:"bench_cpu"` // cores
	Warmup    bool    `json:"warmup,omitempty"`
}

// Failed reports whether any relay did something wrong.
func (r *Report) Failed() bool {
	for _, result := range r.Results {
		for _, run := range result.Runs {
			if len(run.Faults) > 0 {
				return true
			}
		}
	}
	return false
}
