package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"moa/bench/client"
	"moa/nips/wire"
)

// listener is a connection with live subscriptions.
type listener struct {
	a      *audience // nil: nobody publishes
	m      *measure
	subs   []*subscription
	conn   *client.Conn
	start  time.Time     // when it was meant to connect
	ended  chan struct{} // Serve has returned
	eoses  chan int      // numbers of subscriptions that got EOSE or CLOSED
	expect atomic.Bool   // the end of the connection is no fault
}

// listen connects and opens the subscriptions. It returns when each has its
// EOSE or was refused.
func (s *Session) listen(ctx context.Context, m *measure, a *audience, n int, subs []*subscription, start time.Time, o client.Options) (*listener, error) {
	conn, err := s.dialWith(ctx, n, o)
	if err != nil {
		m.noConnect(ctx, err)
		return nil, err
	}
	if m.classes[classConnect] != nil {
		m.done(classConnect, start)
	}
	m.conns.Add(1)
	l := &listener{a: a, m: m, subs: subs, conn: conn, start: start, ended: make(chan struct{}), eoses: make(chan int, len(subs)+1)}
	go l.serve(ctx)
	return l, l.subscribe(ctx, s.Timeout)
}

// Classes of a listener's start.
const (
	classConnect   = "connect"   // TCP, handshake
	classSubscribe = "subscribe" // the same and on to the EOSE of each subscription
)

func (l *listener) serve(ctx context.Context) {
	defer close(l.ended)
	defer l.m.conns.Add(-1)
	if err := l.conn.Serve(l); err != nil && ctx.Err() == nil && !l.expect.Load() {
		l.m.faults.add(Dropped, err.Error)
	}
}

var errNoAnswer = errors.New("the relay did not answer every REQ")

func (l *listener) subscribe(ctx context.Context, timeout time.Duration) error {
	if len(l.subs) == 0 {
		return nil
	}
	reqs := make([][]byte, len(l.subs))
	for i, sub := range l.subs {
		reqs[i] = append(sub.filter.Append([]byte(`["REQ","s`+strconv.Itoa(i)+`",`)), ']')
	}
	if err := l.conn.Send(reqs...); err != nil {
		return err
	}
	late := time.NewTimer(timeout)
	defer late.Stop()
	for range l.subs {
		select {
		case <-l.eoses:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ended:
			return errNoAnswer
		case <-late.C:
			for _, sub := range l.subs {
				if !sub.eose.Load() && !sub.closed.Load() {
					l.m.faults.add(NoEOSE, func() string { return string(sub.filter.Append(nil)) })
				}
			}
			return errNoAnswer
		}
	}
	return nil
}

func (l *listener) sub(id string) (int, *subscription) {
	if len(id) < 2 || id[0] != 's' {
		return 0, nil
	}
	n, err := strconv.Atoi(id[1:])
	if err != nil || n < 0 || n >= len(l.subs) {
		return 0, nil
	}
	return n, l.subs[n]
}

// Event takes a delivery.
func (l *listener) Event(id, raw []byte) {
	_, sub := l.sub(string(id))
	if sub == nil || sub.closed.Load() {
		l.m.faults.add(EarlyEvent, func() string { return fmt.Sprintf("EVENT for subscription %q", id) })
		return
	}
	if l.a != nil {
		l.a.heard(sub, raw)
	}
}

// Reply takes EOSE and CLOSED.
func (l *listener) Reply(r *wire.Reply) {
	n, sub := l.sub(r.SubID)
	if sub == nil {
		if r.Verb == wire.Notice {
			l.m.refuse("notice: " + r.Text)
		}
		return
	}
	switch r.Verb {
	case wire.EOSE:
		if sub.eose.Swap(true) {
			l.m.faults.add(EOSETwice, func() string { return string(sub.filter.Append(nil)) })
			return
		}
		if l.m.classes[classSubscribe] != nil {
			l.m.done(classSubscribe, l.start)
		}
	case wire.Closed:
		l.m.refuse(r.Text)
		if sub.closed.Swap(true) || sub.eose.Load() {
			return
		}
	default:
		return
	}
	l.eoses <- n
}

// Broken takes what is no relay message.
func (l *listener) Broken(frame []byte, err error) { l.m.broken(frame, err) }

// gathering opens many listeners at a bounded rate.
type gathering struct {
	// together is when all are meant to connect at once; zero: one after the
	// other.
	together time.Time
	mu       sync.Mutex // guards the following
	all      []*listener
}

// handshakes is how many connections are made at the same time: below the
// queue of new connections that systems keep.
const handshakes = 128

// open connects conns listeners, perSecond of them a second (0: as fast as it
// goes); subs makes the subscriptions of connection n.
func (g *gathering) open(ctx context.Context, s *Session, m *measure, a *audience, conns int, perSecond float64, subs func(n int) []*subscription, o client.Options) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, handshakes)
	pace := pace{start: time.Now(), rate: perSecond}
	for n := range conns {
		if perSecond > 0 && !wait(ctx, pace.at(int64(n)), nil) || ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			start := g.together
			if start.IsZero() {
				start = time.Now()
			}
			open := subs(n)
			l, err := s.listen(ctx, m, a, n, open, start, o)
			if l == nil { // what cannot be heard is not missing
				for _, sub := range open {
					sub.closed.Store(true)
				}
				return
			}
			if err != nil && !errors.Is(err, errNoAnswer) && ctx.Err() == nil {
				m.faults.add(Dropped, err.Error)
			}
			g.mu.Lock()
			g.all = append(g.all, l)
			g.mu.Unlock()
		})
	}
	wg.Wait()
}

// close ends all connections and waits for their readers.
func (g *gathering) close() {
	for _, l := range g.all {
		l.expect.Store(true)
		l.conn.Close()
	}
	for _, l := range g.all {
		<-l.ended
	}
}

// lost counts connections that have ended.
func (g *gathering) lost() (n int) {
	for _, l := range g.all {
		select {
		case <-l.ended:
			n++
		default:
		}
	}
	return n
}
