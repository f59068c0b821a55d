package bench

import (
	"errors"
	"time"

	"moa/bench/client"
)

// ErrManners refuses to load a relay that may be somebody else's.
var ErrManners = errors.New("this relay is not on this machine: a load test of somebody else's relay is an attack. " +
	"If it is yours, say so with --yes-this-is-my-relay; without it only a gentle load is allowed")

// Gentle is as much as anybody may ask of a public relay.
var Gentle = struct {
	Conns, Subs, Events int
	Rate                float64 // events or REQs a second
	Duration            time.Duration
}{Conns: 5, Subs: 5, Events: 100, Rate: 2, Duration: 30 * time.Second}

// CheckManners returns ErrManners if the workload is more than gentle and the
// target is not on this machine. A relay that is not prefilled is filled first.
func CheckManners(url string, w Workload, prefilled bool) error {
	if client.Loopback(url) || gentle(w, prefilled) {
		return nil
	}
	return ErrManners
}

func gentle(w Workload, prefilled bool) bool {
	g := Gentle
	small := func(conns int, rate float64, d time.Duration) bool {
		return conns > 0 && conns <= g.Conns && rate > 0 && rate <= g.Rate && d > 0 && d <= g.Duration
	}
	switch w := w.(type) {
	case Publish:
		return small(w.Conns, w.Rate, w.Warmup+w.Duration) && w.Events > 0 && w.Events <= g.Events
	case Query:
		return small(w.Conns, w.Rate, w.Warmup+w.Duration) && prefilled
	case Live:
		return small(w.Conns, w.Rate, w.Warmup+w.Duration) && w.Publishers == 1 && w.Subs > 0 && w.Subs <= g.Subs
	case Idle:
		return small(w.Conns, min(w.Rate, g.Rate), w.Hold) && w.Subs <= g.Subs
	}
	return false
}
