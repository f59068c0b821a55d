//go:build !linux

package bench

import "time"

// sleepExactly is left to Go's timers.
func sleepExactly(time.Duration) bool { return false }
