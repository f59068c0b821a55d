package main

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"moa/policy"
	"moa/policy/plugin"
)

// actions are the words for what a policy decides, in metrics and logs.
var actions = map[policy.Action]string{
	policy.Accept: "accept", policy.Reject: "reject", policy.Shadow: "shadow", policy.RelayOnly: "relay_only",
}

// reporter counts and logs what policies decide.
func reporter(log *slog.Logger, registry *prometheus.Registry) policy.Report {
	verdicts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "moa_policy_verdicts_total",
		Help: "Verdicts other than accept, by policy, its mode, where it was asked, and what it said.",
	}, []string{"policy", "mode", "stage", "action"})
	registry.MustRegister(verdicts)
	return func(n *policy.Named, at policy.Stage, v policy.Verdict) {
		verdicts.WithLabelValues(n.Name, n.Mode.String(), at.String(), actions[v.Action]).Inc()
		log.Debug("policy verdict", "policy", n.Name, "mode", n.Mode.String(), "stage", at.String(), "action", actions[v.Action], "reason", string(v.Reason), "text", v.Text)
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
