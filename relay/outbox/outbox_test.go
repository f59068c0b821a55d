package outbox

import (
	"testing"

	"moa/relay/shares"
	"moa/relay/ws"
)

// What waits for a client that is ended for its slowness is nobody's any more,
// whether a writer or the reader is first to notice.
func TestNothingIsChargedForAClientThatWasEnded(t *testing.T) {
	body := &ws.Body{Raw: make([]byte, 30_000)}
	for name, notice := range map[string]func(*Outbox){
		"a writer":   func(o *Outbox) { o.take() },
		"the reader": func(o *Outbox) { o.Close() },
		"both":       func(o *Outbox) { o.take(); o.Close() },
	} {
		l := ledger()
		a := l.NewAccount(false)
		o := new(Outbox) // not open: nothing leaves it
		o.Init(newWriters(1, false), 100_000, a, new(owner))
		for o.Offer(ws.Msg{Body: body}) {
		}
		if a.Held(shares.Outbox) == 0 {
			t.Fatal("nothing was charged")
		}
		notice(o)
		if its, all := a.Held(shares.Outbox), l.Held(shares.Outbox); its != 0 || all != 0 || body.Waits.Load() != 0 {
			t.Errorf("%s: %d bytes are charged to the address, %d in all", name, its, all)
		}
	}
}

func TestTheOutboxIsBounded(t *testing.T) {
	var owner owner
	var o Outbox // not open: nothing leaves it
	o.Init(newWriters(1, false), 10_000, account(), &owner)
	m := ws.Msg{Head: make([]byte, 936)} // 1000 with its overhead
	for i := range 10 {
		if !o.Handover(m) {
			t.Fatalf("message %d", i)
		}
	}
	if o.Room(func() {}) {
		t.Error("there is room for a page")
	}
	if o.Handover(m) || owner.slow != 0 {
		t.Error("a handover above the limit")
	}
	if o.Offer(m) || owner.slow != 1 {
		t.Error("an offer above the limit")
	}
	if o.Offer(m) || owner.slow != 1 {
		t.Error("an offer to what is over")
	}
	if o.Load() > 10_000 {
		t.Errorf("%d bytes", o.Load())
	}
}

// A page keeps what stays as it is, and copies the rest.
func TestAPageCopiesWhatChanges(t *testing.T) {
	raw := []byte("raw")
	p := NewPage()
	p.Add(ws.Msg{Raw: raw})
	p.AddCopy(nil, raw)
	raw[0] = 'x'
	if got := string(p.msgs[0].Raw) + string(p.msgs[1].Raw); got != "xawraw" {
		t.Errorf("%q", got)
	}
}
