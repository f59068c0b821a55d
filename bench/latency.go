package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency sums up a class of operations, in milliseconds. It is measured from
// the moment an operation was meant to start, so that a relay that stalls is
// charged for what had to wait behind the stall.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
	// Curve is the value at each of CurvePercentiles, for the pictures.
	Curve []float64 `json:"curve_ms,omitempty"`
}

// CurvePercentiles are where a Curve has its points.
var CurvePercentiles = []float64{1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100}

// longest is the longest latency a histogram holds; longer ones count as it.
const longest = 10 * time.Minute

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(longest/time.Microsecond), 3)
}

// recorder is a histogram that many connections write to, and one that starts
// anew at every point of the series.
type recorder struct {
	mu       sync.Mutex // guards the following
	all, now *hdrhistogram.Histogram
}

func newRecorder() *recorder { return &recorder{all: newHistogram(), now: newHistogram()} }

// record adds one latency; warm says that it belongs to the warm-up, which
// only the series shows.
func (r *recorder) record(d time.Duration, warm bool) {
	us := min(max(1, d.Microseconds()), int64(longest/time.Microsecond))
	r.mu.Lock()
	defer r.mu.Unlock()
	// A value within the histogram's range is never refused.
	_ = r.now.RecordValue(us)
	if !warm {
		_ = r.all.RecordValue(us)
	}
}

// lap moves what came since the last lap into h.
func (r *recorder) lap(h *hdrhistogram.Histogram) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.Merge(r.now)
	r.now.Reset()
}

func (r *recorder) latency() Latency {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := Latency{
		Count: r.all.TotalCount(), Mean: r.all.Mean() / 1000, Max: ms(r.all.Max()),
		P50: ms(r.all.ValueAtQuantile(50)), P90: ms(r.all.ValueAtQuantile(90)),
		P99: ms(r.all.ValueAtQuantile(99)), P999: ms(r.all.ValueAtQuantile(99.9)),
	}
	for _, p := range CurvePercentiles {
		l.Curve = append(l.Curve, ms(r.all.ValueAtQuantile(p)))
	}
	return l
}

func ms(us int64) float64 { return float64(us) / 1000 }
