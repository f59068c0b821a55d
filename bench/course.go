package bench

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"
)

// sample notes a point of the series every second, more often in short runs.
func (m *measure) sample(ctx context.Context) {
	interval := time.Second
	if planned := time.Duration(m.planned.Load()); planned > 0 {
		interval = min(time.Second, max(200*time.Millisecond, planned/40))
	}
	every := time.NewTicker(interval)
	defer every.Stop()
	last, ops := m.s.snapshot(), int64(0)
	point := func() {
		now := m.s.snapshot()
		p, total := m.point(last, now, ops)
		last, ops = now, total
		if m.s.Watch != nil {
			m.s.Watch(Progress{
				Workload: m.name, Phase: *m.phase.Load(), Done: m.share(), Point: p,
				Faults: m.faults.total(), Refused: m.failed.Load(),
			})
		}
	}
	for {
		select {
		case <-ctx.Done():
			if time.Since(last.at) > interval/3 {
				point()
			}
			return
		case <-every.C:
			point()
		}
	}
}

// share is how much is done, by time or by number, whichever is further; NaN if
// neither is known.
func (m *measure) share() float64 {
	total, share := m.total.Load(), math.NaN()
	if planned := m.planned.Load(); planned > 0 {
		share = float64(time.Since(m.started)) / float64(planned)
	}
	if byNumber := float64(m.allOps.Load()) / float64(total); total > 0 && !(share > byNumber) {
		share = byNumber
	}
	return min(1, share)
}

func (m *measure) point(last, now snapshot, ops int64) (Point, int64) {
	lap := newHistogram()
	for _, name := range slices.Sorted(maps.Keys(m.classes)) {
		m.classes[name].lap(lap)
	}
	wall := now.at.Sub(last.at).Seconds()
	total := m.allOps.Load()
	p := Point{
		At: now.at.Sub(m.started).Seconds(), Rate: float64(total-ops) / wall,
		P50: ms(lap.ValueAtQuantile(50)), P99: ms(lap.ValueAtQuantile(99)),
		Errors: m.failed.Load() + m.faults.total(), Conns: m.conns.Load(),
		BenchCPU: (now.own - last.own).Seconds() / wall, Warmup: m.begun.Load() == 0,
	}
	if now.server.ok {
		p.ServerRSS = float64(now.server.rss) / 1e6
		if last.server.ok {
			p.ServerCPU = max(0, (now.server.cpu-last.server.cpu).Seconds()/wall)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.series = append(m.series, p)
	m.peakRSS = max(m.peakRSS, now.server.rss)
	return p, total
}
