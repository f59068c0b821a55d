package bench

import (
	"context"
	"time"
)

// pace is when operations are meant to start: number n at start + n/rate. The
// times do not wait for answers, which is what makes a loop open.
type pace struct {
	start time.Time
	rate  float64 // a second
}

func (p pace) at(n int64) time.Time {
	return p.start.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
}

// wait sleeps until t and notes in lag how much too late it woke. It returns
// false when ctx ends first.
func wait(ctx context.Context, t time.Time, lag *recorder) bool {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		if lag != nil {
			lag.record(time.Since(t), false)
		}
		return true
	}
}
