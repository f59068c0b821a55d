package relay

import (
	"strings"
	"testing"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay/hub"
	"moa/relay/outbox"
	"moa/relay/shares"
	"moa/relay/ws"
	"moa/store"
)

func TestALiveEventCostsNoAllocationToQueue(t *testing.T) {
	ledger := shares.NewLedger(nil)
	ledger.SetBounds(&shares.Bounds{shares.Outbox: {Most: 1 << 40, Share: 1 << 40}})
	w := outbox.NewWriters(outbox.Options{})
	s := &session{client: client{shared: &shared{met: newMetrics(nil)}}}
	s.identify(event.PubKey{1})
	s.out.Init(w, 1<<40, ledger.NewAccount(false), &s.client)
	sub := hub.NewSub[*ws.Body]("x", &s.client)
	body := &ws.Body{Raw: make([]byte, 500)}
	st := &settings{chain: policy.NewChain(nil, builtin.Defaults(policy.Env{})...)}
	for _, e := range []*event.Event{{Kind: 1}, {Kind: 1059, Tags: []event.Tag{{"p", "01" + strings.Repeat("0", 62)}}}} {
		before := s.out.Load()
		if n := testing.AllocsPerRun(1000, func() {
			s.live.begin(w.Batch(), st, e)
			s.Offer(sub, e, body)
			s.live.end()
		}); n != 0 {
			t.Errorf("kind %d: %v allocations", e.Kind, n)
		}
		if s.out.Load() == before {
			t.Errorf("kind %d was not queued", e.Kind)
		}
	}
}

func TestAStoredEventCostsNoAllocationToQueue(t *testing.T) {
	r := &store.Record{Raw: make([]byte, 500)}
	head := []byte("head")
	for _, r.Stable = range []bool{true, false} {
		if n := testing.AllocsPerRun(100, func() {
			q := outbox.NewPage()
			for range 50 {
				addStored(q, head, r)
			}
			q.Release()
		}); n > 10 {
			t.Errorf("stable %v: %v allocations for 50", r.Stable, n)
		}
	}
}
