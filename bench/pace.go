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
	// shape varies the rate over time, phase by phase; after the last one it
	// stays as it is. None: constant.
	shape []phase
}

// phase is a stretch in which the rate is multiplied.
type phase struct {
	Name   string
	Takes  time.Duration
	Factor float64
}

func (p pace) at(n int64) time.Time {
	left, at := float64(n), p.start
	for _, ph := range p.shape {
		within := p.rate * ph.Factor * ph.Takes.Seconds()
		if left <= within {
			return at.Add(time.Duration(left / (p.rate * ph.Factor) * float64(time.Second)))
		}
		left -= within
		at = at.Add(ph.Takes)
	}
	rate := p.rate
	if len(p.shape) > 0 {
		rate *= p.shape[len(p.shape)-1].Factor
	}
	return at.Add(time.Duration(left / rate * float64(time.Second)))
}

// operations is how many start within the shape.
func (p pace) operations() (n int) {
	for _, ph := range p.shape {
		n += int(p.rate * ph.Factor * ph.Takes.Seconds())
	}
	return n
}

// coarse is how much earlier than meant a Go timer is set: it may fire a
// millisecond late, which would be most of what a fast relay takes.
const coarse = 2 * time.Millisecond

// wait sleeps until t and notes in lag, if it is not nil, how much too late it
// woke: then it is exact. It returns false when ctx ends first.
func wait(ctx context.Context, t time.Time, lag *recorder) bool {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err() == nil
	}
	if lag == nil {
		return sleep(ctx, d)
	}
	if d > coarse && !sleep(ctx, d-coarse) {
		return false
	}
	if d := time.Until(t); d > 0 && !sleepExactly(d) && !sleep(ctx, d) {
		return false
	}
	lag.record(time.Since(t), false)
	return true
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
