package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Publish sends the corpus and waits for the OKs. With a Rate the loop is
// open: events leave when they are due, and latency counts from then. Without,
// every connection keeps Window events in flight and the rate is the result.
//
// Afterwards accepted events are asked for by id, and some are asked for right
// after their OK.
type Publish struct {
	Events   int           `json:"events"`      // at most; 0: the events not yet published, shared out over Repeats
	Rate     float64       `json:"rate"`        // events a second over all connections; 0: as fast as Window allows
	Conns    int           `json:"connections"` // 0: 8
	Window   int           `json:"window"`      // 0: 16
	Warmup   time.Duration `json:"warmup"`      // 0: 1 s; at most a tenth of the events
	Duration time.Duration `json:"duration"`    // measured at most; 0: 10 s
	Verify   int           `json:"verify"`      // how many accepted events to ask for; 0: 50,000; negative: none
	Probe    int           `json:"probe"`       // ask for one in so many right after its OK; 0: 100; negative: none
	Repeats  int           `json:"-"`           // how many runs share the corpus; 0: 1
}

// Name is "publish".
func (Publish) Name() string { return "publish" }

var errNoEvents = errors.New("every event of the corpus has been published: it is too small for so many runs")

// Run publishes events that this session has not published yet.
func (c Publish) Run(ctx context.Context, s *Session) (*Run, error) {
	c.Conns = cmp.Or(c.Conns, 8)
	c.Window = cmp.Or(c.Window, 16)
	c.Warmup = cmp.Or(c.Warmup, time.Second)
	c.Duration = cmp.Or(c.Duration, 10*time.Second)
	c.Verify = cmp.Or(c.Verify, 50_000)
	c.Probe = cmp.Or(c.Probe, 100)
	numbers := s.unsent(0, c.Events)
	if c.Events == 0 && c.Repeats > 1 {
		numbers = numbers[:min(len(numbers), len(s.Corpus.Events)/c.Repeats)]
	}
	if len(numbers) == 0 {
		return nil, s.nothingToSend()
	}
	disk := diskUsage(s.Target.DataDir)
	m := s.measure(c, c.Warmup+c.Duration, classPublish)
	m.total.Store(int64(len(numbers)))
	p := c.publishing(s, m, numbers)
	var atBegin int64
	stop := m.warmUp(ctx, c.Warmup, func() bool { return p.feed.next.Load() > int64(len(numbers)/10) }, func() { atBegin = p.accepted.Load() })
	err := p.run(ctx, c.Conns)
	stop()
	m.end()
	if err != nil {
		m.finish()
		return nil, err
	}
	taken := float64(p.accepted.Load() - atBegin)
	c.report(m, p, taken)
	if s.Target.DataDir != "" && p.accepted.Load() > 0 {
		m.metric("disk per event", "B", float64(diskUsage(s.Target.DataDir)-disk)/float64(p.accepted.Load()), Lower)
		m.metric("disk, all", "MB", float64(diskUsage(s.Target.DataDir))/1e6, Lower)
	}
	if c.Verify >= 0 && ctx.Err() == nil {
		s.verify(ctx, m, numbers, c.Verify, LostAfterOK)
	}
	return m.finish(), nil
}

func (c Publish) publishing(s *Session, m *measure, numbers []int32) *publishing {
	p := &publishing{s: s, m: m, window: c.Window, probe: max(0, c.Probe), feed: &feed{numbers: numbers}}
	start := time.Now()
	p.feed.until = start.Add(c.Warmup + c.Duration)
	p.feed.pace = pace{start: start, rate: c.Rate}
	return p
}

func (c Publish) report(m *measure, p *publishing, taken float64) {
	m.metric("accepted", "events/s", taken/m.seconds(), Higher)
	m.metric("accepted, all", "events", float64(p.accepted.Load()), Neither)
	if all := p.accepted.Load(); all > 0 {
		m.metric("accepted bytes", "MB/s", float64(p.bytes.Load())/float64(all)*taken/m.seconds()/1e6, Neither)
	}
	m.perOp("event", taken)
	if n := p.duplicates.Load(); n > 0 {
		m.warn(fmt.Sprintf("%d events were there already: the figures flatter a relay that looks them up first", n))
	}
	if n := p.stale.Load(); n > 0 {
		m.note(fmt.Sprintf("%d old versions of replaceable events were refused, as they must be", n))
	}
	if n := p.probed.Load(); n > 0 {
		m.note(fmt.Sprintf("%d events were asked for right after their OK", n))
	}
	if due := int64(c.Rate * c.Duration.Seconds()); c.Rate > 0 && taken < 0.9*float64(due) && len(p.feed.numbers) > int(due) {
		m.warn(fmt.Sprintf("the relay did not keep up: %.0f events a second were due, %.0f were accepted", c.Rate, taken/m.seconds()))
	}
}

// unsent returns the numbers of events that were not published, from the first
// on, at most most (0: all).
func (s *Session) unsent(first, most int) []int32 {
	var out []int32
	for i, f := range s.truth.fates[first:] {
		if f == unsent && (most == 0 || len(out) < most) {
			out = append(out, int32(first+i))
		}
	}
	return out
}

// warmUp ends the warm-up after d, or when enough reports true. Its result
// must be called when the load has ended.
func (m *measure) warmUp(ctx context.Context, d time.Duration, enough func() bool, begun func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		every := time.NewTicker(5 * time.Millisecond)
		defer every.Stop()
		for end := time.Now().Add(d); time.Now().Before(end) && !enough(); {
			select {
			case <-ctx.Done():
				end = time.Time{}
			case <-every.C:
			}
		}
		m.begin()
		begun()
	}()
	return func() { cancel(); <-over }
}
