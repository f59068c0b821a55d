package relay_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
)

// stuckFanout is a policy that stops the fan-out at events of a kind until its gate
// is closed.
type stuckFanout struct {
	gate chan struct{}
	kind uint16
}

func (*stuckFanout) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}

func (p *stuckFanout) Live(_ policy.Client, e *event.Event) bool {
	if e.Kind == p.kind {
		<-p.gate
	}
	return true
}

// withStuckFanout is a relay whose fan-out goes on when open is called.
func withStuckFanout(t *testing.T, change func(*relay.Config)) (r *relaytest.Relay, open func()) {
	t.Helper()
	p := &stuckFanout{make(chan struct{}), 20001}
	links := append(builtin.Defaults(policy.Env{}), policy.Named{Name: "stuck", Policy: p})
	r = relaytest.Start(t, relaytest.Options{Chain: policy.NewChain(nil, links...), Config: change})
	open = sync.OnceFunc(func() { close(p.gate) })
	t.Cleanup(open)
	return r, open
}

// Events that wait for the fan-out are bounded by bytes: beyond that no more are
// committed, nor answered, until there is room; then none is missing.
func TestEventsThatWaitForTheFanOutAreBoundedByBytes(t *testing.T) {
	const bound, size, writers, each = 16 << 20, 250_000, 20, 10
	r, open := withStuckFanout(t, func(c *relay.Config) { c.Limits.OutboxBytes = 64 << 20 })
	reader := r.Dial(t)
	reader.Stored(t, "live", `{"kinds":[20001],"limit":0}`)
	var all []*relaytest.Client
	before := heap()
	for i := range writers { // 50 MB
		c := r.Dial(t)
		all = append(all, c)
		go func() {
			for j := range each {
				e := carol.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix(), Content: fmt.Sprint(i, " ", j, strings.Repeat("x", size))})
				if c.TrySay(`["EVENT",`+string(e.Raw)+`]`) != nil {
					return
				}
			}
		}()
	}
	answered := func() float64 { return r.Metric(t, "moa_events_total", "fate", "relayed") }
	relaytest.Eventually(t, "no more are committed", func() bool {
		n := answered()
		return n > bound/size/4 && r.Metric(t, "moa_tickets") > 0 && stays(n, answered)
	})
	// An event takes twice its length, and a commit comes on top.
	if n := answered(); n > 2*bound/size+writers {
		t.Errorf("%v events of %d KB wait for the fan-out", n, size>>10)
	}
	t.Logf("%v of %d events were committed, %d KB of heap", answered(), writers*each, (heap()-before)>>10)
	open()
	heard := map[event.ID]bool{}
	for range writers * each {
		heard[reader.Event(t, "live").ID] = true
	}
	if len(heard) != writers*each {
		t.Errorf("%d of %d events were heard", len(heard), writers*each)
	}
	for _, c := range all {
		for range each {
			if m := c.Next(t); !strings.HasPrefix(m, `["OK"`) || !strings.Contains(m, `,true,`) {
				t.Errorf("%.100s", m)
			}
		}
	}
}

// stays reports that f is n, and is so a moment later: what is on its way to it
// has come. It is asked again if not, so that a slow machine makes no difference.
func stays(n float64, f func() float64) bool {
	for range 20 {
		<-time.After(10 * time.Millisecond)
		if f() != n {
			return false
		}
	}
	return true
}

// A burst of live events of more than may wait for one client reaches those that
// read: what the fan-out has queued is being written while it goes on.
func TestABurstReachesThoseThatRead(t *testing.T) {
	// A little more than may wait, so that sockets take the rest however rarely a
	// busy machine lets the readers have a turn.
	const size, many = 40_000, 112
	r, open := withStuckFanout(t, func(*relay.Config) {})
	var readers []*relaytest.Client
	for range 3 {
		c := r.Dial(t)
		c.Stored(t, "live", `{"kinds":[20001],"limit":0}`)
		readers = append(readers, c)
	}
	relayed := func() float64 { return r.Metric(t, "moa_events_total", "fate", "relayed") }
	first, w := r.Dial(t), r.Dial(t)
	first.Publish(t, carol.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix()})) // its session leads the fan-out
	relaytest.Eventually(t, "the fan-out is held up", func() bool { return relayed() == 1 })
	go func() {
		for i := range many {
			e := carol.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix(), Content: fmt.Sprint(i, strings.Repeat("x", size))})
			if w.TrySay(`["EVENT",`+string(e.Raw)+`]`) != nil {
				return
			}
		}
	}()
	relaytest.Eventually(t, "they wait", func() bool { return relayed() == many+1 })
	open()
	for i, c := range readers {
		for n := range many + 1 {
			if m, err := c.TryNext(relaytest.Patience); err != nil {
				t.Fatalf("reader %d has heard %d of %d events: %v", i, n, many, err)
			} else if !strings.HasPrefix(m, `["EVENT","live"`) {
				t.Fatalf("%.100s", m)
			}
		}
	}
}
