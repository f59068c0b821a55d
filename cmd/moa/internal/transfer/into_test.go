package transfer

import (
	"testing"

	"moa/policy"
)

func TestRefusalNamesThePolicy(t *testing.T) {
	if got := refusal(policy.Decision{By: "geo", Verdict: policy.Refuse("blocked", "no")}); got != "policy geo: blocked" {
		t.Error(got)
	}
	if got := refusal(policy.Decision{}); got != "" {
		t.Error(got)
	}
}
