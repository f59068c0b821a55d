package main

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"moa/policy"
	"moa/policy/plugin"
	"moa/store"
)

// countedStages are the stages at which accepts are counted too.
var countedStages = []policy.Stage{policy.AtEvent, policy.AtFilter}

// verdicts are the figures of what policies decide. Refusals are counted here;
// accepts are counted by the chain in force, which begins at 0 at each reload.
type verdicts struct {
	refused *prometheus.CounterVec
	force   *inForce
}

var acceptedDesc = prometheus.NewDesc(verdictsName, verdictsHelp, verdictLabels, nil)

const (
	verdictsName = "moa_policy_verdicts_total"
	verdictsHelp = "Verdicts, by policy, its mode, where it was asked, and what it said. Those of the action accept are counted for events and filters, and begin at 0 at each reload."
)

var verdictLabels = []string{"policy", "mode", "stage", "action"}

func newVerdicts(force *inForce) *verdicts {
	return &verdicts{prometheus.NewCounterVec(prometheus.CounterOpts{Name: verdictsName, Help: verdictsHelp}, verdictLabels), force}
}

func (v *verdicts) Describe(out chan<- *prometheus.Desc) { v.refused.Describe(out) }

func (v *verdicts) Collect(out chan<- prometheus.Metric) {
	v.refused.Collect(out)
	chain, _ := v.force.get()
	for _, at := range countedStages {
		for n, times := range chain.Accepted(at) {
			out <- prometheus.MustNewConstMetric(acceptedDesc, prometheus.CounterValue, float64(times),
				n.Name, n.Mode.String(), at.String(), policy.Accept.String())
		}
	}
}

// reporter counts and logs what policies refuse.
func (v *verdicts) reporter(log *slog.Logger) policy.Report {
	return func(n *policy.Named, at policy.Stage, d policy.Verdict) {
		v.refused.WithLabelValues(n.Name, n.Mode.String(), at.String(), d.Action.String()).Inc()
		log.Debug("policy verdict", "policy", n.Name, "mode", n.Mode.String(), "stage", at.String(), "action", d.Action.String(), "reason", string(d.Reason), "text", d.Text)
	}
}

// pluginFigures are what plugins count, read at each scrape from the chain in
// force. A plugin whose table changes begins at 0.
type pluginFigures struct{ force *inForce }

var (
	pluginRestarts = prometheus.NewDesc("moa_plugin_restarts_total", "Processes of plugins that ended and were started again.", []string{"policy"}, nil)
	pluginFailures = prometheus.NewDesc("moa_plugin_unanswered_total", "Questions that a plugin has not answered in time, or not at all.", []string{"policy"}, nil)
)

func (pluginFigures) Describe(out chan<- *prometheus.Desc) {
	out <- pluginRestarts
	out <- pluginFailures
}

func (f pluginFigures) Collect(out chan<- prometheus.Metric) {
	chain, _ := f.force.get()
	for _, n := range chain.Links() {
		if p, ok := n.Policy.(*plugin.Policy); ok {
			restarts, unanswered := p.Troubles()
			out <- prometheus.MustNewConstMetric(pluginRestarts, prometheus.CounterValue, float64(restarts), n.Name)
			out <- prometheus.MustNewConstMetric(pluginFailures, prometheus.CounterValue, float64(unanswered), n.Name)
		}
	}
}

// deskFigures are what the policy moderation counts, if the chain in force has
// one. They begin at 0 when its table changes.
type deskFigures struct{ force *inForce }

var (
	deskOpen    = prometheus.NewDesc("moa_moderation_cases", "Reported authors about whom the operator has not decided.", nil, nil)
	deskRefused = prometheus.NewDesc("moa_moderation_refused_authors", "Authors whose events are refused because of what trusted people report.", nil, nil)
	deskReports = prometheus.NewDesc("moa_moderation_reports_total", "Reports of trusted people that came in.", nil, nil)
	deskDropped = prometheus.NewDesc("moa_moderation_dropped_total", "Reported authors that were forgotten because there were too many.", nil, nil)
)

func (deskFigures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{deskOpen, deskRefused, deskReports, deskDropped} {
		out <- d
	}
}

func (f deskFigures) Collect(out chan<- prometheus.Metric) {
	chain, _ := f.force.get()
	desk := deskOf(chain)
	if desk == nil {
		return
	}
	open, reports, dropped, refused := desk.Figures()
	out <- prometheus.MustNewConstMetric(deskOpen, prometheus.GaugeValue, float64(open))
	out <- prometheus.MustNewConstMetric(deskRefused, prometheus.GaugeValue, float64(refused))
	out <- prometheus.MustNewConstMetric(deskReports, prometheus.CounterValue, float64(reports))
	out <- prometheus.MustNewConstMetric(deskDropped, prometheus.CounterValue, float64(dropped))
}

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
