package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"moa/relay/relaytest"
)

// metric is the value of a series of the relay, "" if there is none.
func metric(t *testing.T, url, series string) string {
	t.Helper()
	res, err := http.Get("http" + strings.TrimPrefix(url, "ws") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+series+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// What policies count goes on at a reload, whether their tables change, stay or go.
func TestCountsOfPoliciesGoOnAtAReload(t *testing.T) {
	reporter, spammer := relaytest.NewKey(1), relaytest.NewKey(2)
	desk := "[[policy]]\nuse = \"moderation\"\nreporters = { pubkeys = [\"" + reporter.Hex() + "\"] }\n"
	plugin := "[[policy]]\nuse = \"plugin\"\nname = \"dies\"\ncommand = \"exit 1 #\"\nonly = { pubkeys = [\"" + spammer.Hex() + "\"] }\n"
	const (
		reports    = "moa_moderation_reports_total"
		unanswered = `moa_plugin_unanswered_total{policy="dies"}`
		accepted   = `moa_policy_verdicts_total{action="accept",mode="enforce",policy="private",stage="event"}`
	)
	s := serveFile(t, desk+plugin)
	c := relaytest.Dial(t, s.URL)
	count := func(when string, want map[string]string) {
		t.Helper()
		for series, n := range want {
			relaytest.Eventually(t, when+": "+series+" is "+n, func() bool { return metric(t, s.URL, series) == n })
		}
	}
	reload := func(name, config string) {
		t.Helper()
		s.rewrite(t, name, config)
		s.inForce(t, name)
	}
	c.Accepted(t, reportOf(t, reporter, spammer, "spam", nil))
	c.Refused(t, spammer.Note(t, "buy this"), "error: ")
	count("at first", map[string]string{reports: "1", unanswered: "1", accepted: "2"})
	reload("as before", desk+plugin)
	count("with the same tables", map[string]string{reports: "1", unanswered: "1", accepted: "2"})
	reload("otherwise", strings.Replace(desk, "reporters", "window = \"40d\"\nreporters", 1)+strings.Replace(plugin, "1 #", "2 #", 1))
	count("with other tables", map[string]string{reports: "1", unanswered: "1", accepted: "2"})
	c.Accepted(t, reportOf(t, reporter, spammer, "spam", spammer.Note(t, "buy this")))
	c.Refused(t, spammer.Note(t, "buy that"), "error: ")
	count("later", map[string]string{reports: "2", unanswered: "2", accepted: "4"})
	reload("without", "")
	count("without the tables", map[string]string{reports: "2", unanswered: "2", accepted: "4"})
}
