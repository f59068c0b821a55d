package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"moa/bench/client"
	"moa/nips/event"
	"moa/nips/wire"
)

// asker is a connection that asks one stored query after the other and waits
// for each answer. It is for checking, not for load.
type asker struct {
	m    *measure
	conn *client.Conn
	wg   sync.WaitGroup
	next int

	mu   sync.Mutex // guards the following
	sub  string
	late map[string]bool // subscriptions that were given up
	take func(e *event.Event)
	done chan string // the reason of a CLOSED, "" for EOSE
}

func (s *Session) asker(ctx context.Context, m *measure) (*asker, error) {
	conn, err := s.dial(ctx, 0)
	if err != nil {
		m.noConnect(ctx, err)
		return nil, err
	}
	a := &asker{m: m, conn: conn, late: map[string]bool{}, done: make(chan string, 1)}
	a.wg.Go(func() {
		if err := conn.Serve(a); err != nil {
			m.faults.add(Dropped, err.Error)
		}
		a.end("closed: the connection has ended")
	})
	return a, nil
}

func (a *asker) close() {
	a.conn.Close()
	a.wg.Wait()
}

// ask sends a REQ and returns after its EOSE or CLOSED.
func (a *asker) ask(ctx context.Context, f *event.Filter, timeout time.Duration, take func(e *event.Event)) error {
	a.next++
	sub := "a" + strconv.Itoa(a.next)
	a.mu.Lock()
	a.sub, a.take = sub, take
	a.mu.Unlock()
	req := append([]byte(`["REQ","`+sub+`",`), f.Append(nil)...)
	if err := a.conn.Send(append(req, ']')); err != nil {
		return err
	}
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case closed := <-a.done:
		if closed != "" {
			a.m.refuse(closed)
			return fmt.Errorf("the relay refused: %s", closed)
		}
		return a.conn.Send([]byte(`["CLOSE","` + sub + `"]`))
	case <-late.C:
		a.mu.Lock()
		a.sub = ""
		a.late[sub] = true
		a.mu.Unlock()
		a.m.faults.add(NoEOSE, func() string { return string(f.Append(nil)) })
		return fmt.Errorf("no EOSE within %v", timeout)
	}
}

func (a *asker) end(why string) {
	select {
	case a.done <- why:
	default:
	}
}

func (a *asker) Event(sub, raw []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if string(sub) != a.sub || a.take == nil {
		return
	}
	e, err := event.Parse(append([]byte(nil), raw...))
	if err != nil {
		a.m.faults.add(Altered, func() string { return fmt.Sprintf("%v: %.200s", err, raw) })
		return
	}
	a.take(e)
}

func (a *asker) Reply(r *wire.Reply) {
	if r.Verb != wire.EOSE && r.Verb != wire.Closed {
		return
	}
	a.mu.Lock()
	current, late := r.SubID == a.sub, a.late[r.SubID]
	if current {
		a.sub = ""
	}
	a.mu.Unlock()
	switch {
	case current && r.Verb == wire.EOSE:
		a.end("")
	case current:
		a.end(r.Text)
	case r.Verb == wire.EOSE && !late:
		a.m.faults.add(EOSETwice, func() string { return "EOSE for subscription " + r.SubID })
	}
}

func (a *asker) Broken(frame []byte, err error) { a.m.broken(frame, err) }
