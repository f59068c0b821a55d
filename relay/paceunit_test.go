package relay

import (
	"testing"
	"time"
)

// An address may say much at once, and after that so much in a time, on however many
// connections; what it has not said is not saved up.
func TestAnAddressKeepsPace(t *testing.T) {
	const work = time.Millisecond
	var p pace
	now := time.Hour
	say := func(n int) time.Duration {
		for range n {
			p.charge(now, work)
		}
		return max(0, p.behind(now))
	}
	for _, c := range []struct {
		after time.Duration
		n     int
		wait  time.Duration
	}{
		{0, int(paceBurst / work), 0},
		{0, 1, work},
		{0, 9, 10 * work},
		{5 * work, 0, 5 * work},
		{5 * work, 1, work},
		{time.Minute, int(paceBurst / work), 0},
		{0, 5, 5 * work},
	} {
		now += c.after
		if got := say(c.n); got != c.wait {
			t.Errorf("%v later, after %d messages more: %v to wait, want %v", c.after, c.n, got, c.wait)
		}
	}
}
