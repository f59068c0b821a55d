package relay

import (
	"strings"
	"testing"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay/hub"
	"moa/relay/ws"
	"moa/store"
)

func TestALiveEventCostsNoAllocationToQueue(t *testing.T) {
	srv := &Server{met: newMetrics(nil, nil)}
	s := &session{srv: srv}
	s.identify(event.PubKey{1})
	s.out.limit = 1 << 40
	sub := hub.NewSub[*ws.Body]("x", nil, s)
	body := &ws.Body{Raw: make([]byte, 500)}
	s.out.queue = &queue{msgs: make([]ws.Msg, 0, 5000)}
	st := &settings{chain: policy.NewChain(nil, builtin.Defaults(policy.Env{})...)}
	for _, e := range []*event.Event{{Kind: 1}, {Kind: 1059, Tags: []event.Tag{{"p", "01" + strings.Repeat("0", 62)}}}} {
		before := s.out.bytes
		if n := testing.AllocsPerRun(1000, func() {
			srv.passage.begin(st, e)
			s.Offer(sub, e, body)
			srv.passage.end()
		}); n != 0 {
			t.Errorf("kind %d: %v allocations", e.Kind, n)
		}
		if s.out.bytes == before {
			t.Errorf("kind %d was not queued", e.Kind)
		}
	}
}

func TestAStoredEventCostsNoAllocationToQueue(t *testing.T) {
	r := &store.Record{Raw: make([]byte, 500)}
	head := []byte("head")
	for _, r.Stable = range []bool{true, false} {
		if n := testing.AllocsPerRun(100, func() {
			q := newQueue()
			for range 50 {
				q.addStored(head, r)
			}
			q.release()
		}); n > 10 {
			t.Errorf("stable %v: %v allocations for 50", r.Stable, n)
		}
	}
	q := newQueue()
	r.Stable = true
	q.addStored(head, r)
	r.Stable = false
	q.addStored(head, r)
	if &q.msgs[0].Raw[0] != &r.Raw[0] {
		t.Error("a copy of what stays as it is")
	}
	r.Raw[0] = 1
	if q.msgs[1].Raw[0] == 1 {
		t.Error("memory of the store's was kept")
	}
}
