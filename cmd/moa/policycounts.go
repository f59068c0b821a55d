package main

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"moa/policy"
	"moa/policy/builtin"
	"moa/policy/plugin"
)

const (
	verdictsName = "moa_policy_verdicts_total"
	verdictsHelp = "Verdicts, by policy, its mode, where it was asked, and what it said. Those of the action accept are counted for events and filters."
)

var (
	verdictLabels = []string{"policy", "mode", "stage", "action"}

	acceptedDesc   = prometheus.NewDesc(verdictsName, verdictsHelp, verdictLabels, nil)
	pluginRestarts = prometheus.NewDesc("moa_plugin_restarts_total", "Processes of plugins that ended and were started again.", []string{"policy"}, nil)
	pluginFailures = prometheus.NewDesc("moa_plugin_unanswered_total", "Questions that a plugin has not answered in time, or not at all.", []string{"policy"}, nil)
	deskReports    = prometheus.NewDesc("moa_moderation_reports_total", "Reports of trusted people that came in.", nil, nil)
	deskDropped    = prometheus.NewDesc("moa_moderation_dropped_total", "Reported authors that were forgotten because there were too many.", nil, nil)
)

// countedStages are the stages at which accepts are counted too.
var countedStages = []policy.Stage{policy.AtEvent, policy.AtFilter}

// series is a counter with its labels.
type series struct {
	desc   *prometheus.Desc
	labels [4]string // as many as desc has; the others are empty
}

func (s series) metric(n uint64) prometheus.Metric {
	labels := s.labels[:]
	if i := slices.Index(labels, ""); i >= 0 {
		labels = labels[:i]
	}
	return prometheus.MustNewConstMetric(s.desc, prometheus.CounterValue, float64(n), labels...)
}

// eachCount calls found with what a chain and its policies count themselves. by is the
// policy that counts, nil if it is the chain.
func eachCount(chain *policy.Chain, found func(by policy.Policy, s series, n uint64)) {
	for _, at := range countedStages {
		for n, times := range chain.Accepted(at) {
			found(nil, series{acceptedDesc, [4]string{n.Name, n.Mode.String(), at.String(), policy.Accept.String()}}, times)
		}
	}
	for _, n := range chain.Links() {
		switch p := n.Policy.(type) {
		case *plugin.Policy:
			restarts, unanswered := p.Troubles()
			found(p, series{pluginRestarts, [4]string{n.Name}}, restarts)
			found(p, series{pluginFailures, [4]string{n.Name}}, unanswered)
		case *builtin.Moderation:
			_, reports, dropped, _ := p.Desk().Figures()
			found(p, series{desc: deskReports}, reports)
			found(p, series{desc: deskDropped}, dropped)
		}
	}
}

// goesOn reports that a policy of an older chain is in this one, too.
func goesOn(p policy.Policy, chain *policy.Chain) bool {
	return p != nil && slices.ContainsFunc(chain.Links(), func(n policy.Named) bool { return n.Policy == p })
}
