package bench

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"moa/bench/client"
)

// Idle opens connections that do nothing but hold their subscriptions, and
// measures what each costs the relay. It belongs on a relay that has just
// started: memory that earlier work has left free would hide what connections
// take.
type Idle struct {
	Conns int           `json:"connections"`   // 0: 1,000
	Subs  int           `json:"subscriptions"` // on each; 0: 2; negative: none
	Rate  float64       `json:"rate"`          // connections opened a second; 0: 1,000
	Hold  time.Duration `json:"hold"`          // 0: 5 s
	Seed  uint64        `json:"seed"`
}

// Name is "idle".
func (Idle) Name() string { return "idle" }

// calm is how long the relay is left alone before its memory is read; steady is
// how much it may change in that time to count as settled, in bytes, and
// patience how long that is waited for.
const (
	calm     = time.Second
	steady   = 1 << 20
	patience = 15 * time.Second
)

// settled returns the relay's use once its memory has stopped growing.
func (s *Session) settled(ctx context.Context) snapshot {
	last := s.snapshot()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if !wait(ctx, time.Now().Add(calm), nil) {
			break
		}
		now := s.snapshot()
		if change := now.server.rss - last.server.rss; -steady < change && change < steady {
			return now
		}
		last = now
	}
	return last
}

// Run connects, holds, and hangs up.
func (c Idle) Run(ctx context.Context, s *Session) (*Run, error) {
	c.Conns = cmp.Or(c.Conns, 1000)
	c.Subs = max(0, cmp.Or(c.Subs, 2))
	c.Rate = cmp.Or(c.Rate, 1000)
	c.Hold = cmp.Or(c.Hold, 5*time.Second)
	m := s.measure(c, calm+time.Duration(float64(c.Conns)/c.Rate*float64(time.Second))+c.Hold+calm, classConnect, classSubscribe)
	c.Conns = s.connsAllowed(m, c.Conns)
	news := s.news(100, time.Second, c.Seed)
	w := &watchers{Rand: rand.New(rand.NewPCG(c.Seed, 80)), news: news, since: time.Now().Unix()}
	before := s.settled(ctx)
	if slices.Contains(s.truth.fates, accepted) {
		m.note("the relay has worked before: connections may live in memory that was free, so run idle first")
	}
	m.begin()
	m.setPhase("connect")
	a := newAudience(m, s.truth, len(s.truth.events))
	subs := make([][]*subscription, c.Conns)
	for n := range subs {
		for k := range s.subsAllowed(c.Subs) {
			subs[n] = append(subs[n], a.add(w.filter(k), 1))
		}
	}
	var g gathering
	defer g.close()
	start := time.Now()
	g.open(ctx, s, m, a, c.Conns, c.Rate, func(n int) []*subscription { return subs[n] }, client.Options{ReadBuffer: 1024})
	opened, took := len(g.all), time.Since(start)
	if opened == 0 {
		m.finish()
		return nil, fmt.Errorf("none of %d connections came about", c.Conns)
	}
	m.setPhase("hold")
	quiet := s.snapshot()
	wait(ctx, time.Now().Add(c.Hold), nil)
	held := s.snapshot()
	m.end()
	lost := g.lost()
	m.metric("opened", "connections", float64(opened), Higher)
	m.metric("opened a second", "connections/s", float64(opened)/took.Seconds(), Neither)
	m.metric("lost", "connections", float64(lost), Lower)
	if before.server.ok && held.server.ok {
		m.metric("relay RSS per connection", "KB", float64(held.server.rss-before.server.rss)/1e3/float64(opened), Lower)
		m.metric("relay RSS before", "MB", float64(before.server.rss)/1e6, Neither)
		m.metric("relay CPU while idle", "cores", (held.server.cpu-quiet.server.cpu).Seconds()/held.at.Sub(quiet.at).Seconds(), Lower)
	}
	if g.all[0].conn.Compressed() {
		m.note("permessage-deflate was negotiated")
	} else if s.Compress {
		m.warn("the relay did not agree to permessage-deflate")
	}
	g.close()
	if ctx.Err() == nil && held.server.ok {
		m.setPhase("hang up")
		wait(ctx, time.Now().Add(calm), nil)
		m.metric("relay RSS after", "MB", float64(s.snapshot().server.rss)/1e6, Neither)
	}
	return m.finish(), nil
}
