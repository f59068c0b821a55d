package badgerstore

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moa/store"
)

// metrics are the store's figures. With a nil registry they count for nobody.
type metrics struct {
	registry prometheus.Registerer
	watched  []prometheus.Collector

	commits, failures, full prometheus.Counter
	batch, commitTime       prometheus.Histogram
	stored, removed         prometheus.Counter
	expired, collected      prometheus.Counter
	scanTime                prometheus.Histogram
	fromMemory, fromDisk    prometheus.Counter
	flushTime               prometheus.Histogram
	damages                 *prometheus.CounterVec
	scrubbed                prometheus.Counter
	scrubEnd                prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{registry: r}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.watched = append(m.watched, c)
		return c
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		m.watched = append(m.watched, h)
		return h
	}
	seconds := prometheus.ExponentialBuckets(50e-6, 4, 9)
	m.commits = counter("moa_store_commits_total", "Batches committed.")
	m.failures = counter("moa_store_commit_failures_total", "Batches that could not be committed.")
	m.full = counter("moa_store_full_total", "Batches refused for want of room on the disk.")
	m.batch = histogram("moa_store_batch_events", "Events of a batch.", prometheus.ExponentialBuckets(1, 2, 11))
	m.commitTime = histogram("moa_store_commit_seconds", "Time of a commit, with its sync.", seconds)
	m.flushTime = histogram("moa_store_flush_seconds", "Time of writing to Badger what the journal has.", seconds)
	m.stored = counter("moa_store_stored_events_total", "Events stored.")
	m.removed = counter("moa_store_removed_events_total", "Events removed: replaced, deleted, vanished or expired.")
	m.expired = counter("moa_store_expired_events_total", "Events removed because they had expired.")
	m.collected = counter("moa_store_collected_events_total", "Removed events that are gone from the files of records.")
	m.damages = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "moa_store_damages_total", Help: "What was found damaged on the disk, by kind."}, []string{"kind"})
	m.scrubbed = counter("moa_store_scrubbed_bytes_total", "Bytes of files read through in the background.")
	m.scrubEnd = prometheus.NewGauge(prometheus.GaugeOpts{Name: "moa_store_scrub_completed_timestamp_seconds", Help: "When all files were read through last; 0: not since the start."})
	m.watched = append(m.watched, m.damages, m.scrubEnd)
	m.fromMemory = counter("moa_store_memory_hits_total", "Events that scans looked at in memory.")
	m.fromDisk = counter("moa_store_memory_misses_total", "Events that scans looked at on disk.")
	m.scanTime = histogram("moa_store_scan_seconds", "Time of one page of a scan.", seconds)
	return m
}

// watch registers the metrics. Those of Stats are its caller's to register.
func (m *metrics) watch(s *Store) {
	if m.registry == nil {
		return
	}
	gauge := func(name, help string, read func() float64) {
		m.watched = append(m.watched, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
	}
	gauge("moa_store_memory_events", "Recent events held in memory.", func() float64 { n, _ := s.hot.size(); return float64(n) })
	gauge("moa_store_memory_bytes", "Memory that recent events take, about.", func() float64 { _, n := s.hot.size(); return float64(n) })
	gauge("moa_store_backlog_writes", "Keys in the journal that Badger was not given yet.", func() float64 { return float64(s.backlog.waiting.Load()) })
	for _, c := range m.watched {
		m.registry.MustRegister(c)
	}
}

func (m *metrics) unwatch() {
	if m.registry == nil {
		return
	}
	for _, c := range m.watched {
		m.registry.Unregister(c)
	}
}

func (m *metrics) commit(events int, took time.Duration, err error) {
	switch {
	case errors.Is(err, store.ErrFull):
		m.full.Inc()
	case err != nil:
		m.failures.Inc()
	default:
		m.commits.Inc()
		m.batch.Observe(float64(events))
		m.commitTime.Observe(took.Seconds())
	}
}

func (m *metrics) changed(c *change) {
	m.stored.Add(float64(len(c.added)))
	m.removed.Add(float64(len(c.removed)))
}
