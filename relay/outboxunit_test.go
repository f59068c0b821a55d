package relay

import (
	"testing"

	"moa/relay/ws"
)

// What waits for a client that is ended for its slowness is nobody's any more,
// whether a writer or the reader is first to notice.
func TestNothingIsChargedForAClientThatWasEnded(t *testing.T) {
	body := &ws.Body{Raw: make([]byte, 30_000)}
	for name, notice := range map[string]func(*outbox){
		"a writer":   func(o *outbox) { o.take() },
		"the reader": func(o *outbox) { o.close() },
		"both":       func(o *outbox) { o.take(); o.close() },
	} {
		l := &ledger{}
		l.bounds.Store(&[totals]bound{ofOutbox: {1 << 30, 1 << 30}})
		a := &account{ledger: l}
		o := &outbox{limit: 100_000, account: a, slow: func(int) {}} // not open: nothing leaves it
		for o.offer(ws.Msg{Body: body}) {
		}
		if a.held[ofOutbox].Load() == 0 {
			t.Fatal("nothing was charged")
		}
		notice(o)
		if its, all := a.held[ofOutbox].Load(), l.held[ofOutbox].Load(); its != 0 || all != 0 || body.Waits.Load() != 0 {
			t.Errorf("%s: %d bytes are charged to the address, %d in all", name, its, all)
		}
	}
}
