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
	if n := lag.latency().Count; n < 3 || n > 4 { // 50 us may be over at once
		t.Errorf("%d lags are noted, want those of the 4 that slept", n)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	begun := time.Now()
	if wait(ctx, begun.Add(time.Minute), newRecorder()) || time.Since(begun) > 30*time.Second {
		t.Errorf("it waited for %v", time.Since(begun))
	}
}
