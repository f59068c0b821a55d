package relay

import (
	"sync"

	"moa/nips/wire"
	"moa/relay/ws"
	"moa/store"
)

// page is the messages of one step of a query.
type page struct {
	msgs   []ws.Msg
	bodies []ws.Body // not yet given out
	free   []byte    // what copies of events are cut from
}

// bodiesAtOnce and pieceBytes are how much a page allocates at a time.
const (
	bodiesAtOnce = 32
	pieceBytes   = 16 << 10
)

var pages = sync.Pool{New: func() any { return new(page) }}

// release makes the page's list of messages, but not what they hold, the next
// page's.
func (p *page) release() {
	clear(p.msgs)
	*p = page{msgs: p.msgs[:0]}
	pages.Put(p)
}

// add appends a stored event. Stored ones are not compressed: unlike a live
// one, each is for one client only, and deflating it costs more than finding it.
func (p *page) add(head []byte, r *store.Record) {
	if r.Stable {
		p.msgs = append(p.msgs, ws.Msg{Head: head, Body: p.body(r.Raw)})
		return
	}
	n := len(head) + len(r.Raw) + len(wire.EventTail)
	if n > cap(p.free)-len(p.free) {
		p.free = make([]byte, 0, max(n, min(pieceBytes, 2*cap(p.free)), 2*n))
	}
	at := len(p.free)
	p.free = append(append(append(p.free, head...), r.Raw...), wire.EventTail...)
	p.msgs = append(p.msgs, ws.Msg{Head: p.free[at:len(p.free):len(p.free)]})
}

func (p *page) body(raw []byte) *ws.Body {
	if len(p.bodies) == 0 {
		p.bodies = make([]ws.Body, bodiesAtOnce)
	}
	b := &p.bodies[0]
	p.bodies = p.bodies[1:]
	b.Raw, b.Plain = raw, true
	return b
}
