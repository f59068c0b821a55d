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
	s.out.queue = &queue{make([]ws.Msg, 0, 2000)}
	if n := testing.AllocsPerRun(1000, func() { s.Offer(sub, body, e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAStoredEventOfStableMemoryIsNotCopied(t *testing.T) {
	p := new(page)
	p.msgs = make([]ws.Msg, 0, 2000)
	r := &store.Record{Raw: make([]byte, 500), Stable: true}
	head := []byte("head")
	if n := testing.AllocsPerRun(1000, func() { p.add(head, r) }); n > 0.05 {
		t.Errorf("%v allocations an event", n)
	}
	if m := p.msgs[0]; &m.Body.Raw[0] != &r.Raw[0] {
		t.Error("a copy")
	}
	r.Stable = false
	p.add(head, r)
	copied := p.msgs[len(p.msgs)-1]
	clear(r.Raw)
	r.Raw[0] = 1
	if copied.Body != nil || copied.Head[len(head)] == 1 {
		t.Error("memory of the store's was kept")
	}
}
