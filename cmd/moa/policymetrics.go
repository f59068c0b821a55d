package main

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"moa/policy"
)

// verdicts are the figures of what policies decide. Refusals are counted here;
// accepts are counted by the chains.
type verdicts struct {
	refused *prometheus.CounterVec
	force   *inForce
}

func newVerdicts(force *inForce) *verdicts {
	return &verdicts{prometheus.NewCounterVec(prometheus.CounterOpts{Name: verdictsName, Help: verdictsHelp}, verdictLabels), force}
}

func (v *verdicts) Describe(out chan<- *prometheus.Desc) { v.refused.Describe(out) }

func (v *verdicts) Collect(out chan<- prometheus.Metric) {
	v.refused.Collect(out)
	for s, n := range v.force.counts() {
		if s.desc == acceptedDesc {
			out <- s.metric(n)
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

var (
	deskOpen    = prometheus.NewDesc("moa_moderation_cases", "Reported authors about whom the operator has not decided.", nil, nil)
	deskRefused = prometheus.NewDesc("moa_moderation_refused_authors", "Authors whose events are refused because of what trusted people report.", nil, nil)
)

// policyFigures are what plugins and the policy moderation count, and how that one
// stands now.
type policyFigures struct{ force *inForce }

func (policyFigures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{pluginRestarts, pluginFailures, deskReports, deskDropped, deskOpen, deskRefused} {
		out <- d
	}
}

func (f policyFigures) Collect(out chan<- prometheus.Metric) {
	for s, n := range f.force.counts() {
		if s.desc != acceptedDesc {
			out <- s.metric(n)
		}
	}
	if desk := f.force.reports(); desk != nil {
		open, _, _, refused := desk.Figures()
		out <- prometheus.MustNewConstMetric(deskOpen, prometheus.GaugeValue, float64(open))
		out <- prometheus.MustNewConstMetric(deskRefused, prometheus.GaugeValue, float64(refused))
	}
}
