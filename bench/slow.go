package bench

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"moa/bench/client"
	"moa/nips/wire"
)

// Slow is Live with some readers that ask for everything and then do not read.
// The others must not notice, and the relay's memory must stay bounded.
type Slow struct {
	Live
	Stalled int `json:"stalled"` // 0: 10
}

// Name is "slow".
func (Slow) Name() string { return "slow" }

// Run is Live's, with the stalled readers connected first.
func (c Slow) Run(ctx context.Context, s *Session) (*Run, error) {
	c.Stalled = cmp.Or(c.Stalled, 10)
	c.defaults()
	before := s.snapshot()
	stalled, err := c.stall(ctx, s)
	defer func() {
		for _, conn := range stalled {
			conn.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	run, err := c.Live.Run(ctx, s)
	if err != nil {
		return nil, err
	}
	run.settings = settings(c)
	ended := wakeUp(stalled)
	published, _ := run.Metric("published, all")
	add := func(name, unit string, v float64, b Better) {
		run.Metrics = append(run.Metrics, Metric{Name: name, Unit: unit, Value: v, Better: b})
	}
	add("stalled readers", "connections", float64(c.Stalled), Neither)
	add("stalled readers that the relay ended", "connections", float64(ended), Neither)
	add("backlog of each stalled reader", "events", published.Value, Neither)
	if peak, ok := run.Metric("relay RSS, peak"); ok && before.server.ok {
		add("relay RSS, growth", "MB", peak.Value-float64(before.server.rss)/1e6, Lower)
	}
	return run, nil
}

// stall opens connections that subscribe to everything. Nobody reads them, and
// their receive buffers are small.
func (c Slow) stall(ctx context.Context, s *Session) (conns []*client.Conn, err error) {
	w := &watchers{Rand: rand.New(rand.NewPCG(c.Seed, 82)), since: time.Now().Unix() - 1}
	for n := range c.Stalled {
		conn, err := s.dialWith(ctx, n, client.Options{ReadBuffer: 4096, SocketBuffer: 4096})
		if err != nil {
			return conns, err
		}
		conns = append(conns, conn)
		req := append(w.everyone().Append([]byte(`["REQ","stalled`+strconv.Itoa(n)+`",`)), ']')
		if err := conn.Send(req); err != nil {
			return conns, fmt.Errorf("stalled reader %d: %w", n, err)
		}
	}
	return conns, nil
}

// wakeUp reads what is left of the stalled connections for a moment and counts
// those that the relay has ended.
func wakeUp(conns []*client.Conn) int {
	var wg sync.WaitGroup
	var ended atomic.Int64
	for _, conn := range conns {
		wg.Go(func() {
			limit := time.AfterFunc(time.Second, conn.Close)
			defer limit.Stop()
			if conn.Serve(deaf{}) != nil {
				ended.Add(1)
			}
		})
	}
	wg.Wait()
	return int(ended.Load())
}

// deaf hears nothing.
type deaf struct{}

func (deaf) Event(_, _ []byte)    {}
func (deaf) Reply(*wire.Reply)    {}
func (deaf) Broken([]byte, error) {}
