package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"moa/bench/client"
	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
)

// feed hands out events of the truth, each to one publisher.
type feed struct {
	numbers []int32 // of events
	next    atomic.Int64
	pace    pace // zero rate: closed loop
	until   time.Time
}

// take returns the position and number of the next event.
func (f *feed) take() (n int64, number int32, ok bool) {
	n = f.next.Add(1) - 1
	if n >= int64(len(f.numbers)) {
		return 0, 0, false
	}
	return n, f.numbers[n], true
}

// classPublish is the class of an EVENT's time to its OK.
const classPublish = "publish"

// publishing is what the publishers of one workload share.
type publishing struct {
	s      *Session
	m      *measure
	feed   *feed
	window int // in flight on a connection, closed loop only
	// probe is how often an accepted event is asked for at once: one in so
	// many, 0 never.
	probe int
	// crashing says that the relay is being killed: lost connections are no fault.
	crashing atomic.Bool
	// sent, if set, is told each event's number before it leaves.
	sent func(number int32, publisher int, intended time.Time)

	// kept, if set, is told each event that got its OK.
	kept func(number int32)

	accepted   atomic.Int64 // all
	duplicates atomic.Int64
	stale      atomic.Int64
	probed     atomic.Int64
	bytes      atomic.Int64 // of accepted events
}

// publisher is one connection that publishes.
type publisher struct {
	*publishing
	number int
	conn   *client.Conn
	slots  chan struct{} // one for each event that may be in flight; nil: open loop
	pause  atomic.Int64  // do not send before, Unix ns
	mu     sync.Mutex    // guards the following
	flight map[event.ID]flight
	late   map[event.ID]flight // given up
	done   map[event.ID]bool   // answered, the last few
	probes map[int32]bool      // asked for, by event number: found
	heard  time.Time           // last answer
	gaveUp time.Time           // last time that giveUp was needed
	backs  int                 // rate-limited in a row
	closed bool
	pulse  chan struct{} // something was answered
}

type flight struct {
	number   int32
	intended time.Time
}

// run publishes over conns connections until the feed or ctx ends, then waits
// for the answers that are still out.
func (p *publishing) run(ctx context.Context, conns int) error {
	var wg sync.WaitGroup
	var failed atomic.Int64
	var first atomic.Pointer[error]
	for n := range conns {
		wg.Go(func() {
			one := &publisher{
				publishing: p, number: n, flight: map[event.ID]flight{}, late: map[event.ID]flight{}, done: map[event.ID]bool{},
				probes: map[int32]bool{}, pulse: make(chan struct{}, 1),
			}
			if err := one.run(ctx); err != nil {
				failed.Add(1)
				first.CompareAndSwap(nil, &err)
			}
		})
	}
	wg.Wait()
	if failed.Load() == int64(conns) {
		return *first.Load()
	}
	return nil
}

func (p *publisher) run(ctx context.Context) error {
	conn, err := p.s.dial(ctx, p.number)
	if err != nil && p.crashing.Load() {
		return nil
	}
	if err != nil {
		p.m.noConnect(ctx, err)
		return err
	}
	p.m.conns.Add(1)
	defer p.m.conns.Add(-1)
	p.conn, p.heard = conn, time.Now()
	if p.window > 0 && p.feed.pace.rate == 0 {
		p.slots = make(chan struct{}, p.window)
		for range p.window {
			p.slots <- struct{}{}
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		err := conn.Serve(p)
		if err != nil && !p.crashing.Load() {
			p.m.faults.add(Dropped, err.Error)
		}
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.signal()
		if p.slots != nil {
			close(p.slots) // the sender wakes and sees that it is over
		}
	})
	p.send(ctx)
	p.drain(ctx)
	conn.Close()
	wg.Wait()
	return nil
}

// batchMost is how many events leave in one write.
const batchMost = 64

// send publishes until there is nothing left.
func (p *publisher) send(ctx context.Context) {
	batch := make([]*event.Event, 0, batchMost)
	for p.ready(ctx) {
		n, number, ok := p.feed.take()
		if !ok {
			return
		}
		intended := time.Now()
		if p.feed.pace.rate > 0 {
			intended = p.feed.pace.at(n)
			if intended.After(p.feed.until) || !wait(ctx, intended, p.m.lag) {
				return
			}
		} else if intended.After(p.feed.until) {
			return
		}
		batch = append(batch[:0], p.depart(number, intended))
		for len(batch) < batchMost && p.more() {
			n, number, ok := p.feed.take()
			if !ok {
				break
			}
			if p.feed.pace.rate > 0 {
				intended = p.feed.pace.at(n)
			}
			batch = append(batch, p.depart(number, intended))
		}
		if p.conn.Publish(batch) != nil {
			return // Serve says why
		}
	}
}

// ready waits for leave to send one event.
func (p *publisher) ready(ctx context.Context) bool {
	if until := p.pause.Load(); until > 0 && !wait(ctx, time.Unix(0, until), nil) {
		return false
	}
	if p.slots == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		return !p.closed && ctx.Err() == nil
	}
	select {
	case _, ok := <-p.slots:
		return ok
	default:
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case _, ok := <-p.slots:
			return ok
		case <-time.After(p.s.Timeout):
			if !p.giveUp() {
				return false
			}
		}
	}
}

// giveUp frees the slots of events that have waited too long for their OK. It
// returns false if nothing was answered since the last time.
func (p *publisher) giveUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.heard.Before(p.gaveUp) {
		return false
	}
	p.gaveUp = time.Now()
	for id, f := range p.flight {
		if time.Since(f.intended) > p.s.Timeout {
			p.m.faults.add(NoOK, id.String)
			p.late[id] = f
			delete(p.flight, id)
			p.slots <- struct{}{} // there is room: it was taken for this event
		}
	}
	return true
}

// more reports whether one more event may leave at once.
func (p *publisher) more() bool {
	if p.slots == nil {
		next := p.feed.pace.at(p.feed.next.Load())
		return p.feed.pace.rate > 0 && !next.After(time.Now()) && !next.After(p.feed.until)
	}
	select {
	case _, ok := <-p.slots:
		return ok
	default:
		return false
	}
}

// depart notes that the event is on its way.
func (p *publisher) depart(number int32, intended time.Time) *event.Event {
	e := p.s.truth.events[number]
	p.s.truth.depart(number)
	if p.sent != nil {
		p.sent(number, p.number, intended)
	}
	p.mu.Lock()
	p.flight[e.ID] = flight{number, intended}
	p.mu.Unlock()
	return e
}

// drain waits until all is answered, or nothing has been for the timeout.
func (p *publisher) drain(ctx context.Context) {
	p.mu.Lock()
	p.heard = time.Now()
	p.mu.Unlock()
	for {
		p.mu.Lock()
		open, closed, quiet := len(p.flight)+len(p.probes), p.closed, time.Since(p.heard)
		p.mu.Unlock()
		if open == 0 || closed || ctx.Err() != nil {
			return
		}
		if quiet > p.s.Timeout {
			p.overdue()
			return
		}
		select {
		case <-ctx.Done():
		case <-p.pulse:
		case <-time.After(p.s.Timeout - quiet + time.Millisecond):
		}
	}
}

func (p *publisher) overdue() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.flight {
		p.m.faults.add(NoOK, id.String)
	}
	for number := range p.probes {
		p.m.faults.add(NoEOSE, func() string { return "REQ for the id " + p.s.truth.events[number].ID.String() })
	}
}

func (p *publisher) signal() {
	select {
	case p.pulse <- struct{}{}:
	default:
	}
}

// Reply takes the OKs, and the ends of probes.
func (p *publisher) Reply(r *wire.Reply) {
	switch r.Verb {
	case wire.OK:
		p.answer(r)
	case wire.EOSE, wire.Closed:
		p.probeDone(r)
	case wire.Notice:
		p.m.refuse("notice: " + r.Text)
	}
	p.signal()
}

func (p *publisher) answer(r *wire.Reply) {
	id, err := event.ParseID(r.ID)
	p.mu.Lock()
	f, flying := p.flight[id]
	twice := p.done[id]
	given, late := p.late[id]
	delete(p.flight, id)
	delete(p.late, id)
	if len(p.done) > 4096 {
		clear(p.done)
	}
	if flying || late {
		p.done[id] = true
	}
	p.heard = time.Now()
	p.mu.Unlock()
	switch {
	case late:
		p.resolve(given.number, r)
		return
	case err != nil || (!flying && !twice):
		p.m.faults.add(OKUnknown, func() string { return fmt.Sprintf("OK for %q", r.ID) })
		return
	case !flying:
		p.m.faults.add(OKTwice, id.String)
		return
	}
	if p.slots != nil {
		p.slots <- struct{}{}
	}
	p.m.done(classPublish, f.intended)
	p.resolve(f.number, r)
}

// resolve notes the event's fate.
func (p *publisher) resolve(number int32, r *wire.Reply) {
	e := p.s.truth.events[number]
	if !r.OK {
		versioned := event.Replaceable(e.Kind) || event.Addressable(e.Kind)
		if versioned && (r.Reason() == reason.Duplicate || r.Reason() == "replaced") {
			p.s.truth.resolve(number, stale)
			p.stale.Add(1)
			return
		}
		p.s.truth.resolve(number, refused)
		p.m.refuse(r.Text)
		if r.Reason() == reason.RateLimited && !p.s.IgnoreLimits {
			p.backOff()
		}
		return
	}
	p.backs = 0
	p.s.truth.resolve(number, accepted)
	if p.kept != nil {
		p.kept(number)
	}
	p.bytes.Add(int64(len(e.Raw)))
	if p.accepted.Add(1); r.Reason() == reason.Duplicate {
		p.duplicates.Add(1)
	}
	if p.probe > 0 && p.accepted.Load()%int64(p.probe) == 0 && p.probeable(e) {
		p.ask(number, e)
	}
}

// backOff pauses this connection: 1 s, doubled each time, 30 s at most.
func (p *publisher) backOff() {
	d := min(30*time.Second, time.Second<<min(p.backs, 5))
	if now := time.Now(); now.UnixNano() > p.pause.Load() {
		p.backs++
		p.pause.Store(now.Add(d).UnixNano())
	}
}

// Broken takes what is no relay message.
func (p *publisher) Broken(frame []byte, err error) { p.m.broken(frame, err) }

func (m *measure) broken(frame []byte, err error) {
	m.faults.add(BadFrame, func() string { return fmt.Sprintf("%v: %.100q", err, frame) })
}
