package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"moa/store"
	"moa/store/state"
)

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	b := version()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "moa_build_info",
		Help:        "Always 1; the labels say which moa this is.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision},
	})
	info.Set(1)
	r.MustRegister(info)
	return r
}

// registerMembers lets a scrape ask how many members there are.
func registerMembers(r *prometheus.Registry, st *state.Store) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "moa_members", Help: "Members of this relay."}, func() float64 { return float64(st.MemberCount()) }))
}

// registerWaiting lets a scrape ask how much waits for approval.
func registerWaiting(r *prometheus.Registry, st *state.Store) {
	figure := func(name, help string, read func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(read()) })
	}
	r.MustRegister(
		figure("moa_moderation_waiting", "Events of newcomers that wait for a person to approve them.", func() int { events, _ := st.WaitingSize(); return events }),
		figure("moa_moderation_waiting_bytes", "Bytes of the events that wait for approval.", func() int { _, bytes := st.WaitingSize(); return bytes }),
	)
}

// registerFigures lets a scrape ask the store for its size.
func registerFigures(r *prometheus.Registry, st store.Store) {
	figure := func(name, help string, read func(store.Stats) int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(read(st.Stats())) })
	}
	r.MustRegister(
		figure("moa_store_events", "Events stored now.", func(s store.Stats) int64 { return s.Events }),
		figure("moa_store_bytes", "Size of the store's files.", func(s store.Stats) int64 { return s.Bytes }),
	)
}
