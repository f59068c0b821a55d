package bench

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"moa/bench/client"
	"moa/nips/event"
	"moa/nips/wire"
)

// Handover lets one connection publish while others subscribe and unsubscribe
// all the time. What a subscription hears, stored and live together, must be
// every event exactly once: nothing may fall between the query and the live
// feed, and nothing come from both.
type Handover struct {
	Conns    int           `json:"connections"` // that subscribe; 0: 100
	Rate     float64       `json:"rate"`        // events a second; 0: 200
	Duration time.Duration `json:"duration"`    // 0: 5 s
	Seed     uint64        `json:"seed"`
}

// Name is "handover".
func (Handover) Name() string { return "handover" }

// longestStay is how long a subscription stays live at most, inOrder how long
// a delivery may be on its way before it counts as left out: what came last
// may still overtake what was published before it.
const (
	longestStay = 400 * time.Millisecond
	inOrder     = 200 * time.Millisecond
)

// Run subscribes and unsubscribes until the duration is over.
func (c Handover) Run(ctx context.Context, s *Session) (*Run, error) {
	c.Conns = cmp.Or(c.Conns, 100)
	c.Rate = cmp.Or(c.Rate, 200)
	c.Duration = cmp.Or(c.Duration, 5*time.Second)
	m := s.measure(c, c.Duration, classPublish, classSubscribe)
	m.counts = classSubscribe
	news := s.news(int(c.Rate*c.Duration.Seconds()), c.Duration, c.Seed)
	a := newAudience(m, s.truth, s.know(news.Events))
	start := time.Now()
	numbers := s.unsent(a.first, 0)
	if len(numbers) == 0 {
		m.finish()
		return nil, s.nothingToSend()
	}
	p := &publishing{s: s, m: m, feed: &feed{numbers: numbers, pace: pace{start: start, rate: c.Rate}, until: start.Add(c.Duration)}}
	kept := make([]atomic.Int64, len(a.events)) // when each got its OK, Unix ns
	p.kept = func(number int32) { kept[number-int32(a.first)].Store(time.Now().UnixNano()) }
	m.begin()
	var wg sync.WaitGroup
	var visits atomic.Int64
	for n := range c.Conns {
		w := &watchers{Rand: rand.New(rand.NewPCG(c.Seed, uint64(n)+1000)), news: news, since: began(news)}
		g := &guest{s: s, m: m, a: a, Rand: w.Rand, kept: kept, filter: w.filter(0), until: start.Add(c.Duration)}
		wg.Go(func() {
			if err := g.run(ctx, n, &visits); err != nil && ctx.Err() == nil {
				m.warn("a subscriber ended early: " + err.Error())
			}
		})
	}
	err := p.run(ctx, 1)
	wg.Wait()
	m.end()
	if err != nil {
		m.finish()
		return nil, err
	}
	m.metric("subscriptions", "REQ/s", float64(visits.Load())/m.seconds(), Higher)
	m.metric("published", "events/s", float64(p.accepted.Load())/m.seconds(), Neither)
	m.perOp("subscription", float64(visits.Load()))
	return m.finish(), nil
}

// guest is one connection that comes and goes with its subscription.
type guest struct {
	*rand.Rand
	s      *Session
	m      *measure
	a      *audience
	filter *event.Filter
	until  time.Time
	conn   *client.Conn
	eose   chan string // the reason of a CLOSED, "" for EOSE
	kept   []atomic.Int64

	mu    sync.Mutex // guards the following
	sub   string
	got   map[int32]bool
	times []heardAt // in order of arrival
}

// heardAt is when an event arrived.
type heardAt struct {
	number int32
	at     time.Time
}

func (g *guest) run(ctx context.Context, n int, visits *atomic.Int64) error {
	conn, err := g.s.dial(ctx, n)
	if err != nil {
		g.m.noConnect(ctx, err)
		return err
	}
	g.conn, g.eose = conn, make(chan string, 4)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := conn.Serve(g); err != nil {
			g.m.faults.add(Dropped, err.Error)
		}
	}()
	defer func() { conn.Close(); <-served }()
	for visit := 1; time.Now().Before(g.until) && ctx.Err() == nil; visit++ {
		if err := g.visit(ctx, "h"+strconv.Itoa(visit)); err != nil {
			return err
		}
		visits.Add(1)
	}
	return nil
}

// visit opens the subscription, stays for a while, and checks what came.
func (g *guest) visit(ctx context.Context, sub string) error {
	g.mu.Lock()
	g.sub, g.got, g.times = sub, map[int32]bool{}, nil
	g.mu.Unlock()
	asked := time.Now()
	if err := g.conn.Send(append(g.filter.Append([]byte(`["REQ","`+sub+`",`)), ']')); err != nil {
		return err
	}
	why, err := next(ctx, g.eose, g.s.Timeout, errNoAnswer)
	if err != nil {
		g.m.faults.add(NoEOSE, func() string { return string(g.filter.Append(nil)) })
		return err
	}
	if why != "" {
		g.m.refuse(why)
		return fmt.Errorf("the relay refused: %s", why)
	}
	g.m.done(classSubscribe, asked)
	if !wait(ctx, time.Now().Add(time.Duration(g.Int64N(int64(longestStay)))), nil) {
		return nil
	}
	g.check(time.Now().Add(-inOrder))
	return g.conn.Send([]byte(`["CLOSE","` + sub + `"]`))
}

// check looks for holes: an event that had its OK before sure, and before and
// after which others came. The publisher is one connection.
func (g *guest) check(sure time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	// What is older than all that came may have fallen to the relay's limit.
	first, last := int32(math.MaxInt32), int32(-1)
	for _, h := range g.times {
		first = min(first, h.number)
		if h.at.Before(sure) {
			last = max(last, h.number)
		}
	}
	for n := first; n < last; n++ {
		e, ok := g.a.truth.events[n], g.kept[n-int32(g.a.first)].Load()
		if !g.got[n] && ok != 0 && time.Unix(0, ok).Before(sure) && g.filter.Matches(e) {
			g.m.faults.add(HandoverGap, e.ID.String)
		}
	}
	g.sub = "" // what still comes is not looked at
}

// Event takes a stored or live event.
func (g *guest) Event(sub, raw []byte) {
	number, e := g.a.truth.identify(raw, g.m)
	g.mu.Lock()
	defer g.mu.Unlock()
	if e == nil || string(sub) != g.sub {
		return
	}
	if !g.filter.Matches(e) {
		g.m.faults.add(WrongLive, func() string { return fmt.Sprintf("%s for %s", e.ID, g.filter.Append(nil)) })
	}
	if number < int32(g.a.first) {
		return
	}
	if g.got[number] {
		g.m.faults.add(HandoverTwice, e.ID.String)
	}
	g.got[number] = true
	g.times = append(g.times, heardAt{number, time.Now()})
}

// Reply takes EOSE and CLOSED.
func (g *guest) Reply(r *wire.Reply) {
	g.mu.Lock()
	current := r.SubID == g.sub
	g.mu.Unlock()
	if !current || r.Verb != wire.EOSE && r.Verb != wire.Closed {
		return
	}
	select {
	case g.eose <- r.Text:
	default:
	}
}

// Broken takes what is no relay message.
func (g *guest) Broken(frame []byte, err error) { g.m.broken(frame, err) }
