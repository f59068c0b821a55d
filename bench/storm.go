package bench

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"moa/bench/client"
	"moa/nips/event"
)

// Storm lets many connections break at the same moment and all come back at
// once, as after a restart of a relay or a network, each with its
// subscriptions. Latencies count from the break.
type Storm struct {
	Conns  int           `json:"connections"`   // 0: 500
	Subs   int           `json:"subscriptions"` // on each; 0: 3
	Storms int           `json:"storms"`        // 0: 3
	Calm   time.Duration `json:"calm"`          // between them; 0: 1 s
	Seed   uint64        `json:"seed"`
}

// Name is "storm".
func (Storm) Name() string { return "storm" }

// Run connects, breaks, and connects again.
func (c Storm) Run(ctx context.Context, s *Session) (*Run, error) {
	c.Conns = cmp.Or(c.Conns, 500)
	c.Subs = cmp.Or(c.Subs, 3)
	c.Storms = cmp.Or(c.Storms, 3)
	c.Calm = cmp.Or(c.Calm, time.Second)
	if err := s.stock(ctx); err != nil {
		return nil, err
	}
	m := s.measure(c, 0, classConnect, classSubscribe)
	m.counts = classSubscribe
	c.Conns = s.connsAllowed(m, c.Conns)
	w := &watchers{Rand: rand.New(rand.NewPCG(c.Seed, 81)), news: s.Corpus}
	filters := make([][]*event.Filter, c.Conns)
	for n := range filters {
		for k := range s.subsAllowed(c.Subs) {
			filters[n] = append(filters[n], limited(w.filter(k), 20))
		}
	}
	open := func(g *gathering) {
		g.open(ctx, s, m, nil, c.Conns, 0, func(n int) (subs []*subscription) {
			for _, f := range filters[n] {
				subs = append(subs, &subscription{filter: f})
			}
			return subs
		}, client.Options{ReadBuffer: 4096})
	}
	g := &gathering{}
	m.setPhase("connect")
	open(g)
	if len(g.all) == 0 {
		m.finish()
		return nil, fmt.Errorf("none of %d connections came about", c.Conns)
	}
	m.begin()
	var worst, sum time.Duration
	back := 0
	for range c.Storms {
		if !wait(ctx, time.Now().Add(c.Calm), nil) {
			break
		}
		g.close()
		g = &gathering{together: time.Now()}
		m.setPhase("storm")
		open(g)
		took := time.Since(g.together)
		worst, sum = max(worst, took), sum+took
		back += len(g.all)
	}
	m.end()
	g.close()
	m.metric("all back after, mean", "s", sum.Seconds()/float64(c.Storms), Lower)
	m.metric("all back after, worst", "s", worst.Seconds(), Lower)
	m.metric("came back", "%", 100*float64(back)/float64(c.Conns*c.Storms), Higher)
	m.perOp("reconnection", float64(back))
	return m.finish(), nil
}
