package bench

import (
	"context"
	"testing"
	"time"
)

// An operation never starts before it is due, and how late it started is noted.
func TestWaitIsNeverEarly(t *testing.T) {
	lag := newRecorder()
	for _, d := range []time.Duration{-time.Second, 0, 50 * time.Microsecond, time.Millisecond, coarse + time.Millisecond, 20 * time.Millisecond} {
		due := time.Now().Add(d)
		if !wait(t.Context(), due, lag) {
			t.Fatalf("%v: nobody has ended it", d)
		}
		if early := time.Until(due); early > 0 {
			t.Errorf("%v: %v early", d, early)
		}
	}
	if n := lag.latency().Count; n < 1 || n > 4 { // the short ones may be over at once
		t.Errorf("%d lags are noted, want those of the at most 4 that slept", n)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if wait(ctx, time.Now().Add(time.Hour), newRecorder()) {
		t.Error("nobody has ended it")
	}
}
