package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"moa/bench/corpus"
	"moa/nips/event"
	"moa/nips/wire"
)

// Auth lets people authenticate (NIP-42) and ask for their gift wraps, again
// and again on new connections. Before the AUTH nobody may see a wrap; after
// it everybody sees only their own (NIP-59).
type Auth struct {
	Conns    int           `json:"connections"` // at the same time; 0: 20
	Duration time.Duration `json:"duration"`    // 0: 5 s
}

// Name is "auth".
func (Auth) Name() string { return "auth" }

// classAuth is the class of the time from an AUTH to its OK, classWraps of a
// REQ for gift wraps after it.
const (
	classAuth  = "auth"
	classWraps = "gift wraps"
)

var errNoChallenge = errors.New("the relay sent no AUTH challenge, neither at connect nor after a REQ for gift wraps")

// Run authenticates until the duration is over.
func (c Auth) Run(ctx context.Context, s *Session) (*Run, error) {
	c.Conns = cmp.Or(c.Conns, 20)
	c.Duration = cmp.Or(c.Duration, 5*time.Second)
	if err := s.stock(ctx); err != nil {
		return nil, err
	}
	people := corpus.Generate(corpus.Config{Seed: s.Corpus.Config.Seed, Events: 1, Authors: max(50, s.Corpus.Config.Authors)})
	m := s.measure(c, c.Duration, classConnect, classAuth, classWraps)
	m.counts = classAuth
	m.begin()
	until := time.Now().Add(c.Duration)
	var next, silent, done atomic.Int64
	var wg sync.WaitGroup
	for n := range c.Conns {
		signer := people.Signer(uint64(n))
		wg.Go(func() {
			for time.Now().Before(until) && ctx.Err() == nil && silent.Load() == 0 {
				person := int(next.Add(1)-1) % len(people.People)
				err := c.visit(ctx, s, m, signer, people, person)
				switch {
				case errors.Is(err, errNoChallenge):
					silent.Add(1)
				case err == nil:
					done.Add(1)
				case ctx.Err() == nil:
					m.warn("a visit ended early: " + err.Error())
					return
				}
			}
		})
	}
	wg.Wait()
	m.end()
	if silent.Load() > 0 && done.Load() == 0 {
		m.finish()
		return nil, errNoChallenge
	}
	m.metric("authenticated", "connections/s", float64(done.Load())/m.seconds(), Higher)
	m.perOp("visit", float64(done.Load()))
	return m.finish(), nil
}

// visit is one person on one connection: connect, be challenged, authenticate,
// read the wraps, leave.
func (c Auth) visit(ctx context.Context, s *Session, m *measure, signer *corpus.Signer, people *corpus.Corpus, person int) error {
	start := time.Now()
	conn, err := s.dial(ctx, 0)
	if err != nil {
		m.noConnect(ctx, err)
		return err
	}
	m.done(classConnect, start)
	v := &visitor{m: m, self: people.People[person].PubKey, challenge: make(chan string, 4), ok: make(chan *wire.Reply, 4), end: make(chan string, 4)}
	served := make(chan struct{})
	go func() { defer close(served); _ = conn.Serve(v) }()
	defer func() { conn.Close(); <-served }()
	wraps := event.Filter{
		Kinds: []uint16{event.KindGiftWrap}, Limit: 50, HasLimit: true,
		Tags: []event.TagFilter{{Name: 'p', Values: []string{v.self.String()}}},
	}
	ask := func(sub string) error {
		return conn.Send(append(wraps.Append([]byte(`["REQ","`+sub+`",`)), ']'))
	}
	if err := ask("before"); err != nil {
		return err
	}
	challenge, err := next(ctx, v.challenge, s.Timeout, errNoChallenge)
	if err != nil {
		return err
	}
	proof := signer.Sign(person, event.Event{Kind: event.KindAuth, CreatedAt: time.Now().Unix(), Tags: []event.Tag{{"relay", s.Target.URL}, {"challenge", challenge}}})
	asked := time.Now()
	if err := conn.Send(append(append([]byte(`["AUTH",`), proof.Raw...), ']')); err != nil {
		return err
	}
	reply, err := next(ctx, v.ok, s.Timeout, errors.New("no OK for AUTH"))
	if err != nil {
		m.faults.add(NoOK, func() string { return "AUTH" })
		return err
	}
	if !reply.OK {
		m.faults.add(NoAuth, func() string { return reply.Text })
		return fmt.Errorf("AUTH was refused: %s", reply.Text)
	}
	m.done(classAuth, asked)
	v.authed.Store(true)
	asked = time.Now()
	if err := ask("after"); err != nil {
		return err
	}
	why, err := next(ctx, v.end, s.Timeout, errNoAnswer)
	if err != nil {
		m.faults.add(NoEOSE, func() string { return string(wraps.Append(nil)) })
		return err
	}
	if why != "" {
		m.refuse(why)
		return nil
	}
	m.done(classWraps, asked)
	return nil
}

// next takes the next value, or returns missing after the timeout.
func next[T any](ctx context.Context, from <-chan T, timeout time.Duration, missing error) (v T, err error) {
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case v = <-from:
		return v, nil
	case <-late.C:
		return v, missing
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// visitor hears what one connection of Auth is told.
type visitor struct {
	m         *measure
	self      event.PubKey
	authed    atomic.Bool
	challenge chan string
	ok        chan *wire.Reply
	end       chan string // the reason of a CLOSED, "" for EOSE
}

func (v *visitor) Event(_, raw []byte) {
	e, err := event.Parse(append([]byte(nil), raw...))
	if err != nil {
		v.m.faults.add(Altered, func() string { return fmt.Sprintf("%v: %.200s", err, raw) })
		return
	}
	mine := false
	for _, t := range e.Tags {
		mine = mine || t[0] == "p" && t.Value() == v.self.String()
	}
	if !mine || !v.authed.Load() {
		v.m.faults.add(WrapLeak, e.ID.String)
	}
}

func (v *visitor) Reply(r *wire.Reply) {
	offer := func(c chan string, text string) {
		select {
		case c <- text:
		default:
		}
	}
	switch r.Verb {
	case wire.Auth:
		offer(v.challenge, r.Text)
	case wire.OK:
		copied := *r
		select {
		case v.ok <- &copied:
		default:
		}
	case wire.EOSE, wire.Closed:
		if r.SubID == "after" {
			offer(v.end, r.Text)
		}
	}
}

func (v *visitor) Broken(frame []byte, err error) { v.m.broken(frame, err) }
