package bench

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Query asks for stored events as clients do and measures the time to EOSE.
// Every answer is compared with what it must be. If nothing has been published
// in this session yet, the corpus is published first, unmeasured.
type Query struct {
	Conns    int           `json:"connections"` // 0: 8
	Window   int           `json:"window"`      // REQs in flight on a connection; 0: 1
	Rate     float64       `json:"rate"`        // REQs a second over all connections; 0: as fast as Window allows
	Warmup   time.Duration `json:"warmup"`      // 0: 1 s
	Duration time.Duration `json:"duration"`    // 0: 10 s
	Requests int           `json:"requests"`    // at most; 0: no bound but Duration
	Classes  []string      `json:"classes"`     // none: all, in the shares of real clients
	Pool     int           `json:"pool"`        // different queries of each class; 0: 100
	Seed     uint64        `json:"seed"`
	// Cold restarts the relay before every run, has the system forget what it
	// has read of the relay's files, and then asks each query of the pool once,
	// in classes of their own, before everything else.
	Cold bool `json:"cold,omitempty"`
}

// Name is "query".
func (Query) Name() string { return "query" }

// Run asks until the duration is over.
func (c Query) Run(ctx context.Context, s *Session) (*Run, error) {
	c.Conns = cmp.Or(c.Conns, 8)
	c.Window = cmp.Or(c.Window, 1)
	c.Warmup = cmp.Or(c.Warmup, time.Second)
	c.Duration = cmp.Or(c.Duration, 10*time.Second)
	c.Pool = cmp.Or(c.Pool, 100)
	classes, err := parseClasses(c.Classes)
	if err != nil {
		return nil, err
	}
	if c.Cold && s.Target.Restart == nil {
		return nil, errNoRestart
	}
	if err := s.stock(ctx); err != nil {
		return nil, err
	}
	v := s.truth.view()
	pool := s.asks(v, c.Seed).pool(classes, c.Pool)
	dropped := ""
	if c.Cold {
		if err := s.restart(ctx, false, func() { dropped = dropPages(s.Target.DataDir) }); err != nil {
			return nil, err
		}
	}
	names := slices.Clone(classes)
	for _, class := range classes {
		names = append(names, class+Cold)
	}
	m := s.measure(c, c.Warmup+c.Duration, names...)
	m.together = len(classes) > 1
	q := &querying{Query: c, s: s, m: m, view: v}
	var read float64 // from disk, for all cold queries; NaN: unknown
	if c.Cold {
		read, err = q.cold(ctx, pool)
		m.note(fmt.Sprintf("cold: the relay had just been restarted and %s; each query was asked once", dropped))
	}
	if err == nil {
		err = q.warm(ctx, shuffled(pool, classes, c.Seed))
	}
	m.end()
	if err != nil {
		m.finish()
		return nil, err
	}
	if c.Cold {
		m.metric("read from disk per cold REQ", "KB", read/1e3/float64(len(pool)), Lower)
	}
	return m.finish(), nil
}

// coldMost bounds the cold part of a run.
const coldMost = 5 * time.Minute

// cold asks each query once and returns what the relay read from disk for it, in
// bytes, NaN if that is unknown.
func (q *querying) cold(ctx context.Context, pool []*query) (read float64, err error) {
	q.m.setPhase("cold")
	once := &querying{Query: q.Query, s: q.s, m: q.m, view: q.view, deck: slices.Clone(pool), suffix: Cold, until: time.Now().Add(coldMost)}
	once.Requests = len(pool)
	rand.New(rand.NewPCG(q.Seed, 83)).Shuffle(len(pool), func(i, j int) { once.deck[i], once.deck[j] = once.deck[j], once.deck[i] })
	before := q.s.snapshot()
	err = once.run(ctx)
	after := q.s.snapshot()
	q.m.planned.Add(int64(time.Since(q.m.started)))
	if !before.server.ok || !after.server.ok {
		return math.NaN(), err
	}
	return float64(after.server.read - before.server.read), err
}

// warm asks until the duration is over.
func (q *querying) warm(ctx context.Context, deck []*query) error {
	q.deck = deck
	start := time.Now()
	q.pace, q.until = pace{start: start, rate: q.Rate}, start.Add(q.Warmup+q.Duration)
	q.m.setPhase("warm-up")
	var atBegin int64
	stop := q.m.warmUp(ctx, q.Warmup, func() bool { return false }, func() { atBegin = q.events.Load() })
	err := q.run(ctx)
	stop()
	q.m.end()
	if err == nil {
		q.report(float64(q.events.Load() - atBegin))
	}
	return err
}

// shuffled returns the queries in a fixed random order in which each class has
// its share.
func shuffled(pool []*query, classes []string, seed uint64) []*query {
	r := rand.New(rand.NewPCG(seed, 78))
	by := map[string][]*query{}
	for _, q := range pool {
		by[q.class] = append(by[q.class], q)
	}
	sum := 0
	for _, class := range classes {
		sum += classWeights[class]
	}
	deck := make([]*query, 8192)
	for i := range deck {
		n := r.IntN(sum)
		for _, class := range classes {
			if n -= classWeights[class]; n < 0 {
				deck[i] = by[class][r.IntN(len(by[class]))]
				break
			}
		}
	}
	return deck
}

// querying is what the connections of one run share.
type querying struct {
	Query
	s      *Session
	m      *measure
	view   *view
	deck   []*query
	pace   pace
	until  time.Time
	next   atomic.Int64
	events atomic.Int64 // that came
	suffix string       // of the names of the answers' classes
	// phase names a second class for an answer by its time; nil: none.
	phase func(time.Time) string
}

func (q *querying) run(ctx context.Context) error {
	var wg sync.WaitGroup
	var failed atomic.Int64
	var first atomic.Pointer[error]
	for n := range q.Conns {
		wg.Go(func() {
			conn, err := q.s.dial(ctx, n)
			if err != nil {
				q.m.noConnect(ctx, err)
				failed.Add(1)
				first.CompareAndSwap(nil, &err)
				return
			}
			q.m.conns.Add(1)
			defer q.m.conns.Add(-1)
			newReader(q, conn).run(ctx)
		})
	}
	wg.Wait()
	if failed.Load() == int64(q.Conns) {
		return *first.Load()
	}
	return nil
}

func (q *querying) report(events float64) {
	reqs := float64(q.m.ops.Load())
	q.m.metric("answered", "REQ/s", reqs/q.m.seconds(), Higher)
	q.m.metric("events returned", "events/s", events/q.m.seconds(), Higher)
	q.m.metric("events per REQ", "events", events/max(1, reqs), Neither)
	q.m.perOp("REQ", reqs)
	if cpu, ok := q.m.serverCPU(); ok && events > 0 {
		q.m.metric("relay CPU per event returned", "us", float64(cpu.Microseconds())/events, Lower)
	}
}
