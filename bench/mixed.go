package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"moa/bench/client"
)

// Mixed is a day in the life of a relay, in short: people listen, publish and
// ask all at once, few in the morning, all at noon, too many at the peak, few
// at night. Latencies are given for each phase.
type Mixed struct {
	Conns    int           `json:"connections"` // that listen; 0: 200
	Publish  float64       `json:"publish"`     // events a second at noon; 0: 50
	Query    float64       `json:"query"`       // REQs a second at noon; 0: 50
	Duration time.Duration `json:"duration"`    // 0: 20 s
	Seed     uint64        `json:"seed"`
}

// Name is "mixed".
func (Mixed) Name() string { return "mixed" }

// day is the share of the duration and of the noon's load of each phase.
func day(d time.Duration) []phase {
	return []phase{{"morning", d / 4, 0.4}, {"noon", d / 4, 1}, {"peak", d / 4, 2}, {"night", d / 4, 0.2}}
}

// Run lives the day.
func (c Mixed) Run(ctx context.Context, s *Session) (*Run, error) {
	c.Conns = cmp.Or(c.Conns, 200)
	c.Publish = cmp.Or(c.Publish, 50)
	c.Query = cmp.Or(c.Query, 50)
	c.Duration = cmp.Or(c.Duration, 20*time.Second)
	if err := s.stock(ctx); err != nil {
		return nil, err
	}
	// Worked out before the new events are added: they may be in answers, and
	// need not.
	phases := day(c.Duration)
	v := s.truth.view()
	pool := s.asks(v, c.Seed).pool(Classes(), 50)
	events := pace{rate: c.Publish, shape: phases}.operations()
	news := s.news(events, c.Duration, c.Seed)
	names := []string{classPublish, classDelivery, classConnect, classSubscribe}
	for _, p := range phases {
		names = append(names, "deliver, "+p.Name, "query, "+p.Name)
	}
	m := s.measure(c, c.Duration, append(names, Classes()...)...)
	c.Conns = s.connsAllowed(m, c.Conns)
	a := newAudience(m, s.truth, s.know(news.Events))
	live := Live{Conns: c.Conns, Subs: 3, Publishers: 4, Audience: Network, Seed: c.Seed}
	subs := live.subscriptions(s, a, news)
	start := time.Now()
	a.phase = phaseNames("deliver, ", start, phases)
	m.begin()
	m.setPhase("day")

	var g gathering
	defer g.close()
	q := &querying{
		Query: Query{Conns: 8, Window: 4, Rate: c.Query}, s: s, m: m, view: v, deck: shuffled(pool, Classes(), c.Seed),
		pace: pace{start, c.Query, phases}, until: start.Add(c.Duration), phase: phaseNames("query, ", start, phases),
	}
	numbers := s.unsent(a.first, 0)
	if len(numbers) == 0 {
		m.finish()
		return nil, s.nothingToSend()
	}
	p := &publishing{s: s, m: m, sent: a.departs, feed: &feed{numbers: numbers, pace: pace{start, c.Publish, phases}, until: q.until}}
	var wg sync.WaitGroup
	errs := make([]error, 2)
	// A third of the listeners is there at the start, the others come during
	// the morning and do not ask for what was before them.
	early := c.Conns / 3
	for _, of := range subs[early:] {
		for _, sub := range of {
			sub.late = true
			limited(sub.filter, 0)
		}
	}
	g.open(ctx, s, m, a, early, 0, func(n int) []*subscription { return subs[n] }, client.Options{ReadBuffer: 16 << 10})
	wg.Go(func() {
		rate := float64(c.Conns-early) / phases[0].Takes.Seconds()
		g.open(ctx, s, m, a, c.Conns-early, rate, func(n int) []*subscription { return subs[early+n] }, client.Options{ReadBuffer: 16 << 10})
	})
	wg.Go(func() { errs[0] = q.run(ctx) })
	wg.Go(func() { errs[1] = p.run(ctx, live.Publishers) })
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		m.finish()
		return nil, err
	}
	a.await(ctx, s.Timeout)
	m.end()
	g.close()
	if ctx.Err() == nil {
		m.metric("missing", "events", float64(a.missing()), Lower)
	}
	c.report(m, a, p, q)
	return m.finish(), nil
}

func (c Mixed) report(m *measure, a *audience, p *publishing, q *querying) {
	seconds := m.seconds()
	m.metric("published", "events/s", float64(p.accepted.Load())/seconds, Higher)
	m.metric("delivered", "events/s", float64(a.delivered.Load())/seconds, Higher)
	m.metric("events returned", "events/s", float64(q.events.Load())/seconds, Higher)
	if cpu, ok := m.serverCPU(); ok {
		m.metric("relay CPU, all", "s", cpu.Seconds(), Lower)
	}
	if n := a.foreign.Load(); n > 0 {
		m.note(fmt.Sprintf("%d events of others were delivered", n))
	}
}

// phaseNames returns a function from a time to the name of its phase's class.
func phaseNames(prefix string, start time.Time, phases []phase) func(time.Time) string {
	ends := make([]time.Time, len(phases))
	at := start
	for i, p := range phases {
		at = at.Add(p.Takes)
		ends[i] = at
	}
	return func(t time.Time) string {
		i := slices.IndexFunc(ends, t.Before)
		if i < 0 {
			i = len(phases) - 1
		}
		return prefix + phases[i].Name
	}
}
