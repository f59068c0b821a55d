package reason_test

import (
	"testing"

	"moa/nips/reason"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		in     string
		reason reason.Reason
		text   string
	}{
		{"", "", ""},
		{"duplicate: have it", reason.Duplicate, "have it"},
		{"rate-limited:slow down", reason.RateLimited, "slow down"},
		{"invalid:", reason.Invalid, ""},
		{"Write error: disk", "", "Write error: disk"},
		{"event is expired", "", "event is expired"},
		{": nothing", "", ": nothing"},
	} {
		if r, text := reason.Split(c.in); r != c.reason || text != c.text {
			t.Errorf("Split(%q) = %q, %q", c.in, r, text)
		}
	}
}
