package relay_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/testwait"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay/relaytest"
	"moa/store"
)

// pagedStore counts the pages that were read for reconciliations.
type pagedStore struct {
	store.Store
	pages atomic.Int64
}

func (s *pagedStore) Scan(q store.Query) store.Scan {
	if !q.Bulk {
		return s.Store.Scan(q)
	}
	return &pagedScan{s.Store.Scan(q), s}
}

type pagedScan struct {
	store.Scan
	s *pagedStore
}

func (p *pagedScan) Next(ctx context.Context, page store.Page, found func(*store.Record) error) (store.Progress, error) {
	p.s.pages.Add(1)
	return p.Scan.Next(ctx, page, found)
}

// A client that begins one reconciliation of everything after the other, on several
// connections, costs others a share of the time and no more: their REQs are
// answered as if they were alone, about.
func TestNIP77HammeringDoesNotHoldUpREQs(t *testing.T) {
	st := &pagedStore{Store: stores["badger"](t)}
	fill(t, st, 20_000)
	r := relaytest.Start(t, relaytest.Options{Store: st})
	asks := func(c *relaytest.Client) time.Duration {
		t.Helper()
		took := make([]time.Duration, 60)
		for i := range took {
			begun := time.Now()
			if got := len(c.Query(t, `{"kinds":[1],"limit":20}`)); got != 20 {
				t.Fatalf("%d events", got)
			}
			took[i] = time.Since(begun)
		}
		slices.Sort(took)
		return took[len(took)*9/10]
	}
	c := r.Dial(t)
	alone := asks(c)

	var over atomic.Bool
	var hammers sync.WaitGroup
	var clients []*relaytest.Client
	for range 4 {
		h := r.Dial(t)
		clients = append(clients, h)
		hammers.Go(func() {
			for i := 0; !over.Load(); i++ {
				id := string(rune('a' + i%4))
				if h.TrySay(`["NEG-OPEN","`+id+`",{},"61"]`) != nil {
					return
				}
				if i%3 == 0 && h.TrySay(`["NEG-CLOSE","`+id+`"]`) != nil {
					return
				}
				time.Sleep(200 * time.Microsecond)
			}
		})
	}
	before := st.pages.Load()
	relaytest.Eventually(t, "they are at work", func() bool { return st.pages.Load() > before+50 })
	among := asks(c)
	t.Logf("nine of ten REQs within %v alone", alone)
	testwait.Speed(t, "nine of ten REQs among 4 clients that hammer", among, 20*alone+100*time.Millisecond)
	over.Store(true)
	hammers.Wait()
	for _, h := range clients {
		h.Close()
	}
	relaytest.Eventually(t, "what they had begun is dropped", func() bool {
		return r.Metric(t, "moa_syncs") == 0 && r.Metric(t, "moa_sync_events") == 0
	})
	reads := func() int64 { return st.pages.Load() }
	relaytest.Eventually(t, "nothing is read for clients that have gone", func() bool {
		n := reads()
		time.Sleep(50 * time.Millisecond)
		return reads() == n
	})
}

// NEG-CLOSE, and another NEG-OPEN by the same id, end the reading.
func TestNIP77ClosingEndsTheGathering(t *testing.T) {
	st := &pagedStore{Store: stores["memory"](t)}
	fill(t, st, 10_000) // ten pages and more
	for name, end := range map[string]string{
		"NEG-CLOSE":         `["NEG-CLOSE","n"]`,
		"the same id again": `["NEG-OPEN","n",{"limit":1},"61"]`,
		"a malformed one":   `["NEG-OPEN","n",{},"6"]`,
	} {
		gate := &gatedStore{Store: st, gate: make(chan struct{})}
		r := relaytest.Start(t, relaytest.Options{Store: gate})
		c := r.Dial(t)
		before := st.pages.Load()
		c.Say(t, `["NEG-OPEN","n",{},"61"]`)
		gate.gate <- struct{}{} // a page is read
		c.Say(t, "%s", end)
		e := alice.Note(t, name)
		c.Publish(t, e)
		for !strings.HasPrefix(c.Next(t), `["OK"`) { // then it is done
		}
		close(gate.gate)
		c.UpToNow(t)
		relaytest.Eventually(t, "nothing is held", func() bool { return r.Metric(t, "moa_sync_events") <= 1 })
		if n := st.pages.Load() - before; n > 4 { // of ten
			t.Errorf("%s: %d pages were read", name, n)
		}
		r.Stop()
	}
}

// What bounds the filters of REQs by the time bounds those of NEG-OPENs too.
func TestNIP77FiltersAreCounted(t *testing.T) {
	chain, faults := builtin.Build(policy.Env{}, nil, []map[string]any{
		{"use": "rate", "of": "filters", "count": int64(3), "interval": "1h", "exempt_loopback": false},
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	r := relaytest.Start(t, relaytest.Options{Chain: chain})
	c := r.Dial(t)
	for _, want := range []string{`["NEG-MSG","n","61"]`, `["NEG-MSG","n","61"]`, `["NEG-MSG","n","61"]`, `["NEG-ERR","n","rate-limited: `} {
		c.Say(t, `["NEG-OPEN","n",{},"61"]`)
		if m := c.Next(t); !strings.HasPrefix(m, want) {
			t.Errorf("heard %s, want %s", m, want)
		}
	}
}
