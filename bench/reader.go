package bench

import (
	"context"
	"strconv"
	"sync"
	"time"

	"moa/bench/client"
	"moa/nips/wire"
)

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
	a := &asked{answer: newAnswer(q), intended: intended, done: make(chan string, 1)}
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
		r.m.done(a.q.class+r.suffix, a.intended)
		if r.phase != nil {
			r.m.record(r.phase(a.intended), a.intended)
		}
		a.judge(r.view, r.m, r.s.Info.Limits.Limit)
		a.done <- ""
	}
}

// Broken takes what is no relay message.
func (r *reader) Broken(frame []byte, err error) { r.m.broken(frame, err) }
