package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"moa/bench/client"
	"moa/nips/wire"
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
	// Prefilled takes the corpus for published and does not publish it.
	Prefilled bool `json:"prefilled,omitempty"`
	// Cold restarts the relay before every run, if the target can.
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
	classes, err := parseClasses(c.Classes)
	if err != nil {
		return nil, err
	}
	if c.Prefilled {
		s.assume()
	} else if err := s.fillIfEmpty(ctx); err != nil {
		return nil, err
	}
	if c.Cold {
		if err := s.restart(ctx); err != nil {
			return nil, err
		}
		c.Warmup = time.Nanosecond
	}
	v := s.truth.view()
	pool := s.asks(v, c.Seed).pool(classes, cmp.Or(c.Pool, 100))
	m := s.measure(c.Name(), c.Warmup+c.Duration, classes...)
	m.together = len(classes) > 1
	q := &querying{Query: c, s: s, m: m, view: v, deck: shuffled(pool, classes, c.Seed)}
	q.pace = pace{start: time.Now(), rate: c.Rate}
	q.until = q.pace.start.Add(c.Warmup + c.Duration)
	var atBegin int64
	stop := m.warmUp(ctx, c.Warmup, func() bool { return false }, func() { atBegin = q.events.Load() })
	err = q.run(ctx)
	stop()
	m.end()
	if err != nil {
		m.finish()
		return nil, err
	}
	q.report(float64(q.events.Load() - atBegin))
	return m.finish(), nil
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
				q.m.faults.add(NoConnect, err.Error)
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

// reader is one connection that asks.
type reader struct {
	*querying
	conn *client.Conn
	ctx  context.Context
	end  context.CancelFunc

	mu   sync.Mutex // guards the following
	open map[string]*asked
	last int // highest subscription number so far
}

// asked is a REQ without its EOSE.
type asked struct {
	answer
	intended time.Time
	done     chan string // the reason of a CLOSED, "" for EOSE
	givenUp  bool        // nobody waits for the EOSE any more; guarded by mu
}

func newReader(q *querying, conn *client.Conn) *reader {
	return &reader{querying: q, conn: conn, open: map[string]*asked{}}
}

// run asks over Window workers until it is time.
func (r *reader) run(ctx context.Context) {
	r.ctx, r.end = context.WithCancel(ctx)
	var serving, asking sync.WaitGroup
	serving.Go(func() {
		if err := r.conn.Serve(r); err != nil {
			r.m.faults.add(Dropped, err.Error)
		}
		r.end()
	})
	for range r.Window {
		asking.Go(r.work)
	}
	asking.Wait()
	r.conn.Close()
	serving.Wait()
}

func (r *reader) work() {
	closing := ""
	for {
		n := r.next.Add(1) - 1
		intended := time.Now()
		if r.pace.rate > 0 {
			intended = r.pace.at(n)
		}
		if intended.After(r.until) || r.Requests > 0 && n >= int64(r.Requests) || !wait(r.ctx, intended, r.lagOf()) {
			return
		}
		sub := r.send(r.deck[n%int64(len(r.deck))], intended, closing)
		if sub == "" {
			return
		}
		closing = sub
	}
}

// lagOf is where waiting is noted: a closed loop does not wait.
func (r *reader) lagOf() *recorder {
	if r.pace.rate > 0 {
		return r.m.lag
	}
	return nil
}

// send asks one query, closing the one before in the same write, and waits for
// the answer. It returns "" when the connection is of no more use.
func (r *reader) send(q *query, intended time.Time, closing string) (sub string) {
	a := &asked{answer: answer{q: q, got: make([]arrived, 0, len(q.want))}, intended: intended, done: make(chan string, 1)}
	r.mu.Lock()
	r.last++
	sub = "q" + strconv.Itoa(r.last)
	r.open[sub] = a
	r.mu.Unlock()
	messages := make([][]byte, 0, 2)
	if closing != "" {
		messages = append(messages, []byte(`["CLOSE","`+closing+`"]`))
	}
	messages = append(messages, append([]byte(`["REQ","`+sub), q.tail...))
	if r.conn.Send(messages...) != nil {
		return "" // Serve says why
	}
	late := time.NewTimer(r.s.Timeout)
	defer late.Stop()
	select {
	case <-r.ctx.Done():
		return ""
	case why := <-a.done:
		if why != "" {
			r.m.refuse(why)
		}
	case <-late.C:
		r.mu.Lock()
		a.givenUp = true // what still comes is not looked at
		r.mu.Unlock()
		r.m.faults.add(NoEOSE, func() string { return q.class + ": " + string(q.filter.Append(nil)) })
	}
	return sub
}

// Event takes one event of an answer.
func (r *reader) Event(sub, raw []byte) {
	r.mu.Lock()
	a := r.open[string(sub)]
	if a != nil && a.givenUp {
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	if a == nil {
		// After its EOSE a subscription is live until the CLOSE arrives.
		if !r.asked(string(sub)) {
			r.m.faults.add(EarlyEvent, func() string { return "EVENT for subscription " + string(sub) })
		}
		return
	}
	a.take(r.view, raw, r.m)
	r.events.Add(1)
}

// asked reports that there was such a subscription.
func (r *reader) asked(sub string) bool {
	if len(sub) < 2 || sub[0] != 'q' {
		return false
	}
	n, err := strconv.Atoi(sub[1:])
	r.mu.Lock()
	defer r.mu.Unlock()
	return err == nil && n > 0 && n <= r.last
}

// Reply takes the end of an answer.
func (r *reader) Reply(w *wire.Reply) {
	if w.Verb != wire.EOSE && w.Verb != wire.Closed {
		if w.Verb == wire.Notice {
			r.m.refuse("notice: " + w.Text)
		}
		return
	}
	r.mu.Lock()
	a := r.open[w.SubID]
	delete(r.open, w.SubID)
	givenUp := a != nil && a.givenUp
	r.mu.Unlock()
	switch {
	case a == nil && w.Verb == wire.EOSE:
		r.m.faults.add(EOSETwice, func() string { return "EOSE for subscription " + w.SubID })
	case a == nil, givenUp:
	case w.Verb == wire.Closed:
		a.done <- w.Text
	default:
		r.m.done(a.q.class, a.intended)
		if r.phase != nil {
			r.m.record(r.phase(a.intended), a.intended)
		}
		a.judge(r.view, r.m, r.s.Info.Limits.Limit)
		a.done <- ""
	}
}

// Broken takes what is no relay message.
func (r *reader) Broken(frame []byte, err error) { r.m.broken(frame, err) }

var errNoRestart = errors.New("a cold run needs a relay that moa bench has started itself")

// restart kills the relay and starts it again on the same data.
func (s *Session) restart(ctx context.Context) error {
	if s.Target.Restart == nil {
		return errNoRestart
	}
	pid, err := s.Target.Restart(ctx)
	if err != nil {
		return fmt.Errorf("restart the relay: %w", err)
	}
	s.pid.Store(int64(pid))
	return nil
}
