package relay

import (
	"testing"

	"moa/nips/event"
	"moa/relay/hub"
	"moa/relay/ws"
	"moa/store"
)

func TestALiveEventCostsNoAllocationToQueue(t *testing.T) {
	srv := &Server{met: newMetrics(nil, nil)}
	srv.settings.Store(&settings{})
	s := &session{srv: srv}
	s.out.limit = 1 << 40
	sub := hub.NewSub("x", nil, s)
	body, e := &ws.Body{Raw: make([]byte, 500)}, &event.Event{Kind: 1}
	s.out.queue = &queue{msgs: make([]ws.Msg, 0, 2000)}
	if n := testing.AllocsPerRun(1000, func() { s.Offer(sub, body, e) }); n != 0 {
		t.Errorf("%v allocations", n)
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
