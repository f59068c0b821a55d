package bench

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"moa/bench/client"
	"moa/bench/corpus"
	"moa/nips/event"
)

// Live opens subscriptions and publishes new events to them. It measures the
// time from when an event was meant to leave to its arrival, and counts
// deliveries that are missing, doubled, out of order, or do not match.
type Live struct {
	Conns      int           `json:"connections"`   // 0: 200
	Subs       int           `json:"subscriptions"` // on each connection; 0: 3
	Publishers int           `json:"publishers"`    // 0: 4
	Rate       float64       `json:"rate"`          // events a second; 0: 100
	Warmup     time.Duration `json:"warmup"`        // 0: 1 s
	Duration   time.Duration `json:"duration"`      // 0: 10 s
	// Audience is "network": home feeds, notifications, threads, hashtags,
	// places and a few global feeds, each different; or "everyone": every
	// subscription hears every event. "": network.
	Audience string `json:"audience"`
	Seed     uint64 `json:"seed"` // of the events; 0: the corpus's
}

// verifyLive is how many of the events are asked for at the end of Live.
const verifyLive = 1000

// Audiences of Live.
const (
	Network  = "network"
	Everyone = "everyone"
)

// Name is "live".
func (Live) Name() string { return "live" }

// Run subscribes, publishes until the duration is over, and waits for what is
// still to come.
func (c Live) Run(ctx context.Context, s *Session) (*Run, error) {
	c.defaults()
	if c.Audience != Network && c.Audience != Everyone {
		return nil, fmt.Errorf("there is no audience %q: have %s, %s", c.Audience, Network, Everyone)
	}
	m := s.measure(c, c.Warmup+c.Duration, classPublish, classDelivery, classConnect, classSubscribe)
	m.counts = classDelivery
	c.Conns = s.connsAllowed(m, c.Conns)
	news := s.news(int(c.Rate*(c.Warmup+c.Duration).Seconds()), c.Warmup+c.Duration, c.Seed)
	a := newAudience(m, s.truth, s.know(news.Events))
	subs := c.subscriptions(s, a, news)
	var g gathering
	defer g.close()
	m.setPhase("connect")
	g.open(ctx, s, m, a, c.Conns, 0, func(n int) []*subscription { return subs[n] }, client.Options{ReadBuffer: 16 << 10})
	if len(g.all) == 0 {
		m.finish()
		return nil, fmt.Errorf("none of %d connections came about", c.Conns)
	}
	p, err := c.publish(ctx, s, m, a)
	if err != nil {
		m.finish()
		return nil, err
	}
	expected := a.await(ctx, s.Timeout)
	m.end()
	lost := g.lost()
	g.close()
	missing := int64(0)
	if ctx.Err() == nil {
		missing = a.missing()
	}
	if ctx.Err() == nil {
		s.verify(ctx, m, p.feed.numbers, verifyLive, LostAfterOK)
	}
	c.report(m, a, p, expected, missing, lost)
	return m.finish(), nil
}

func (c *Live) defaults() {
	c.Conns = cmp.Or(c.Conns, 200)
	c.Subs = cmp.Or(c.Subs, 3)
	c.Publishers = cmp.Or(c.Publishers, 4)
	c.Rate = cmp.Or(c.Rate, 100)
	c.Warmup = cmp.Or(c.Warmup, time.Second)
	c.Duration = cmp.Or(c.Duration, 10*time.Second)
	c.Audience = cmp.Or(c.Audience, Network)
}

// news generates events whose times are those at which they will be sent, in
// the network of the corpus.
func (s *Session) news(events int, span time.Duration, seed uint64) *corpus.Corpus {
	return corpus.Generate(corpus.Config{
		Seed: cmp.Or(seed, s.Corpus.Config.Seed), Events: max(1, events), Authors: max(50, s.Corpus.Config.Authors),
		Base: time.Now().Add(span).Unix(), Span: span, Mix: corpus.Live(),
	})
}

// began is when the news begin, Unix seconds.
func began(news *corpus.Corpus) int64 {
	return news.Config.Base - int64(news.Config.Span/time.Second) - 1
}

// subscriptions makes those of every connection.
func (c Live) subscriptions(s *Session, a *audience, news *corpus.Corpus) [][]*subscription {
	w := &watchers{Rand: rand.New(rand.NewPCG(c.Seed, 79)), news: news, since: began(news)}
	out := make([][]*subscription, c.Conns)
	for n := range out {
		for k := range s.subsAllowed(c.Subs) {
			f := w.everyone()
			if c.Audience == Network {
				f = w.filter(k)
			}
			out[n] = append(out[n], a.add(f, c.Publishers))
		}
	}
	return out
}

func (c Live) publish(ctx context.Context, s *Session, m *measure, a *audience) (*publishing, error) {
	numbers := s.unsent(a.first, 0)
	if len(numbers) == 0 {
		return nil, s.nothingToSend()
	}
	start := time.Now()
	p := &publishing{s: s, m: m, sent: a.departs, feed: &feed{numbers: numbers, pace: pace{start: start, rate: c.Rate}, until: start.Add(c.Warmup + c.Duration)}}
	m.setPhase("warm-up")
	stop := m.warmUp(ctx, c.Warmup, func() bool { return false }, func() {})
	err := p.run(ctx, c.Publishers)
	stop()
	return p, err
}

// await waits until everything expected has arrived, or nothing comes any
// more for the timeout.
func (a *audience) await(ctx context.Context, timeout time.Duration) (expected int64) {
	expected = a.tally()
	a.m.setPhase("wait")
	last, quiet := a.due.Load(), time.Now()
	for a.due.Load() < expected && time.Since(quiet) < timeout {
		if !wait(ctx, time.Now().Add(2*time.Millisecond), nil) {
			break
		}
		if now := a.due.Load(); now > last {
			last, quiet = now, time.Now()
		}
	}
	// What should not have come may still be on its way.
	wait(ctx, time.Now().Add(100*time.Millisecond), nil)
	return expected
}

func (c Live) report(m *measure, a *audience, p *publishing, expected, missing int64, lost int) {
	measured := float64(a.measured.Load())
	seconds := m.seconds()
	if last := time.Unix(0, a.lastHeard.Load()); last.After(m.from.at) {
		seconds = last.Sub(m.from.at).Seconds()
	}
	m.metric("delivered", "events/s", measured/max(seconds, 1e-3), Higher)
	m.metric("delivered, all", "events", float64(a.delivered.Load()), Neither)
	m.metric("expected, all", "events", float64(expected), Neither)
	m.metric("missing", "events", float64(missing), Lower)
	m.metric("published, all", "events", float64(p.accepted.Load()), Neither)
	m.metric("published", "events/s", float64(p.accepted.Load())/max(time.Since(m.started).Seconds(), 1e-3), Neither)
	m.metric("deliveries per event", "", float64(a.delivered.Load())/max(1, float64(p.accepted.Load())), Neither)
	m.perOp("delivery", measured)
	if lost > 0 {
		m.note(fmt.Sprintf("%d of %d connections were lost", lost, c.Conns))
	}
	if n := a.foreign.Load(); n > 0 {
		m.note(fmt.Sprintf("%d events of others were delivered", n))
	}
}

// watchers composes live filters.
type watchers struct {
	*rand.Rand
	news  *corpus.Corpus
	since int64
}

var liveKinds = []uint16{event.KindNote, event.KindRepost, event.KindReaction, 1111, event.KindZapReceipt}

// everyone matches all that is published.
func (w *watchers) everyone() *event.Filter { return &event.Filter{Since: w.since} }

// filter returns the k-th filter of a connection: a home feed, notifications,
// then whatever is open on the screen.
func (w *watchers) filter(k int) *event.Filter {
	person := w.person()
	switch k % 3 {
	case 0:
		follows := w.news.Follows(person)
		authors := sorted(follows[:min(len(follows), 500)], event.ComparePubKeys)
		return &event.Filter{Authors: authors, Kinds: []uint16{event.KindNote, event.KindRepost}, Since: w.since}
	case 1:
		return &event.Filter{
			Kinds: liveKinds, Since: w.since,
			Tags: []event.TagFilter{{Name: 'p', Values: []string{w.news.People[person].PubKey.String()}}},
		}
	}
	switch n := w.IntN(10); {
	case n < 4:
		return &event.Filter{Kinds: liveKinds, Since: w.since, Tags: []event.TagFilter{{Name: 'e', Values: []string{w.news.Events[w.IntN(len(w.news.Events))].ID.String()}}}}
	case n < 6:
		return &event.Filter{Kinds: []uint16{event.KindNote}, Since: w.since, Tags: []event.TagFilter{{Name: 't', Values: []string{w.tag("t", "nostr")}}}}
	case n < 9:
		return &event.Filter{Kinds: []uint16{event.KindGeoChat, event.KindGeoPresence}, Since: w.since, Tags: []event.TagFilter{{Name: 'g', Values: []string{w.tag("g", "u0")}}}}
	}
	return &event.Filter{Kinds: []uint16{event.KindNote}, Since: w.since}
}

func (w *watchers) person() int {
	n := len(w.news.People)
	return min(w.IntN(n), w.IntN(n))
}

// tag returns a value of that tag which is used, or otherwise.
func (w *watchers) tag(name, otherwise string) string {
	for range 50 {
		if v, ok := w.news.Events[w.IntN(len(w.news.Events))].Value(name); ok {
			return v
		}
	}
	return otherwise
}
