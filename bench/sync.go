package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy/storage/vector"

	"moa/bench/client"
	"moa/nips/event"
	"moa/nips/wire"
)

// Sync reconciles sets of notes with the relay (NIP-77): each client lacks a
// share of what the relay has, and must find out exactly what.
type Sync struct {
	Conns    int           `json:"connections"` // 0: 4
	Duration time.Duration `json:"duration"`    // 0: 5 s
	Lacking  float64       `json:"lacking"`     // share of the notes that a client lacks; 0: 0.02
	Frame    int           `json:"frame"`       // largest message, bytes; 0: 60,000
	Seed     uint64        `json:"seed"`
}

// Name is "sync".
func (Sync) Name() string { return "sync" }

// classSync is the class of the time for one reconciliation.
const classSync = "sync"

var errNoSync = errors.New("the relay does not reconcile (NIP-77)")

// Run reconciles until the duration is over.
func (c Sync) Run(ctx context.Context, s *Session) (*Run, error) {
	c.Conns = cmp.Or(c.Conns, 4)
	c.Duration = cmp.Or(c.Duration, 5*time.Second)
	c.Lacking = cmp.Or(c.Lacking, 0.02)
	c.Frame = cmp.Or(c.Frame, 60_000)
	if err := s.stock(ctx); err != nil {
		return nil, err
	}
	m := s.measure(c, c.Duration, classSync)
	m.begin()
	run := &syncing{Sync: c, s: s, m: m, view: s.truth.view()}
	run.prepare()
	until := time.Now().Add(c.Duration)
	var wg sync.WaitGroup
	var refused atomic.Pointer[error]
	for n := range c.Conns {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(c.Seed, uint64(n)))
			for time.Now().Before(until) && ctx.Err() == nil {
				if err := run.one(ctx, r, n); err != nil {
					refused.CompareAndSwap(nil, &err)
					return
				}
			}
		})
	}
	wg.Wait()
	m.end()
	ops := float64(m.ops.Load())
	if err := refused.Load(); err != nil && ops == 0 && ctx.Err() == nil {
		m.finish()
		return nil, *err
	}
	m.metric("reconciled", "syncs/s", ops/m.seconds(), Higher)
	m.metric("notes", "events", float64(len(run.notes)), Neither)
	m.metric("round trips per sync", "", float64(run.rounds.Load())/max(1, ops), Lower)
	m.metric("bytes per sync, both ways", "B", float64(run.bytes.Load())/max(1, ops), Lower)
	m.perOp("sync", ops)
	return m.finish(), nil
}

// syncing is what the clients of one run share.
type syncing struct {
	Sync
	s             *Session
	m             *measure
	view          *view
	notes         []int32 // that the relay must have
	filter        *event.Filter
	rounds, bytes atomic.Int64
}

// prepare picks the notes and the filter that finds them and hardly others.
func (y *syncing) prepare() {
	f := &event.Filter{Kinds: []uint16{event.KindNote}, HasUntil: true}
	for i, e := range y.view.events {
		if y.view.shown[i] == must && e.Kind == event.KindNote && i < len(y.s.Corpus.Events) {
			y.notes = append(y.notes, int32(i))
			f.Until = max(f.Until, e.CreatedAt)
		}
	}
	y.filter = f
}

// one is one reconciliation on a connection of its own.
func (y *syncing) one(ctx context.Context, r *rand.Rand, number int) error {
	have := vector.New()
	lacking := map[string]bool{}
	for _, n := range y.notes {
		e := y.view.events[n]
		if r.Float64() < y.Lacking {
			lacking[e.ID.String()] = true
			continue
		}
		have.Insert(nostr.Timestamp(e.CreatedAt), e.ID.String())
	}
	have.Seal()
	conn, err := y.s.dial(ctx, number)
	if err != nil {
		y.m.noConnect(ctx, err)
		return err
	}
	h := &syncer{replies: make(chan wire.Reply, 4), m: y.m}
	served := make(chan struct{})
	go func() { defer close(served); _ = conn.Serve(h) }()
	defer func() { conn.Close(); <-served }()
	start := time.Now()
	need, extra, err := y.reconcile(ctx, conn, h, have)
	if err != nil {
		return err
	}
	y.m.done(classSync, start)
	y.check(lacking, need, extra)
	return nil
}

// reconcile talks until both sides know the difference: need is what only the
// relay has, extra what only we have.
func (y *syncing) reconcile(ctx context.Context, conn *client.Conn, h *syncer, have *vector.Vector) (need, extra []string, err error) {
	neg := negentropy.New(have, y.Frame)
	var gather sync.WaitGroup
	gather.Go(func() {
		for id := range neg.HaveNots {
			need = append(need, id)
		}
	})
	gather.Go(func() {
		for id := range neg.Haves {
			extra = append(extra, id)
		}
	})
	finished := false
	defer func() {
		if !finished {
			close(neg.HaveNots)
			close(neg.Haves)
		}
		gather.Wait()
	}()
	message := neg.Start()
	open := y.filter.Append([]byte(`["NEG-OPEN","n",`))
	if err := conn.Send([]byte(string(open) + `,"` + message + `"]`)); err != nil {
		return nil, nil, err
	}
	for {
		y.bytes.Add(int64(len(message) / 2))
		y.rounds.Add(1)
		reply, err := next(ctx, h.replies, y.s.Timeout, errNoSync)
		if err != nil {
			return nil, nil, err
		}
		if reply.Verb != wire.NegMsg {
			y.m.refuse(reply.Text)
			return nil, nil, fmt.Errorf("%w: %s %s", errNoSync, reply.Verb, reply.Text)
		}
		y.bytes.Add(int64(len(reply.Text) / 2))
		if message, err = neg.Reconcile(reply.Text); err != nil {
			y.m.faults.add(BadFrame, err.Error)
			return nil, nil, err
		}
		if message == "" {
			finished = true // Reconcile has closed the channels
			gather.Wait()
			return need, extra, conn.Send([]byte(`["NEG-CLOSE","n"]`))
		}
		if err := conn.Send([]byte(`["NEG-MSG","n","` + message + `"]`)); err != nil {
			return nil, nil, err
		}
	}
}

// check compares what was found with what there is to find. Notes that the
// relay may or may not have do not count.
func (y *syncing) check(lacking map[string]bool, need, extra []string) {
	wrong := func(what, id string) {
		y.m.faults.add(WrongSync, func() string { return what + " " + id })
	}
	for _, id := range need {
		if lacking[id] {
			delete(lacking, id)
			continue
		}
		parsed, _ := event.ParseID(id)
		if n, known := y.view.byID[parsed]; known && y.view.of(n) != may {
			wrong("named as lacking, but we have it, or it must be gone:", id)
		}
	}
	for id := range lacking {
		wrong("we lack it, and it was not named:", id)
	}
	slices.Sort(extra)
	for _, id := range slices.Compact(extra) {
		wrong("named as lacking in the relay, which has accepted it:", id)
	}
}

// syncer hears the relay's side of a reconciliation.
type syncer struct {
	m       *measure
	replies chan wire.Reply
}

func (h *syncer) Event(sub, _ []byte) {
	h.m.faults.add(EarlyEvent, func() string { return "EVENT for subscription " + strconv.Quote(string(sub)) })
}

func (h *syncer) Reply(r *wire.Reply) {
	switch r.Verb {
	case wire.NegMsg, wire.NegErr, wire.Closed, wire.Notice:
		select {
		case h.replies <- *r:
		default:
		}
	}
}

func (h *syncer) Broken(frame []byte, err error) { h.m.broken(frame, err) }
