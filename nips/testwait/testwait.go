// Package testwait waits in tests for what another goroutine or process does.
// Only tests, and packages that only tests import, import it.
package testwait

import (
	"flag"
	"testing"
	"time"
)

// Patience is how long anything may take before a test fails. It catches what
// hangs and nothing else: a test must hold on a machine that is busy with twenty
// other programs.
const Patience = 2 * time.Minute

// Eventually waits until ok returns true, and fails the test if it does not
// within Patience. It calls ok again and again, on the caller's goroutine.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
	}
}

var speeds = flag.Bool("speeds", false, "fail where something takes longer than it does on a quiet machine")

// Speed logs how long something took. It fails the test if that is more than
// most, and only with the flag -speeds: on a busy machine anything may take long.
func Speed(t testing.TB, what string, took, most time.Duration) {
	t.Helper()
	t.Logf("%s: %v", what, took.Round(time.Microsecond))
	if *speeds && took > most {
		t.Errorf("%s took %v, more than %v", what, took, most)
	}
}
