package outbox

import (
	"sync"

	"moa/relay/shares"
	"moa/relay/ws"
)

// Page is messages for one client, in order. It comes from a pool, and so does
// the memory that it copies to: the one that has it last releases it.
type Page struct {
	msgs   []ws.Msg
	bytes  int      // what the messages take
	pieces []*piece // in use
	free   []byte   // of the last piece

	// What of it is charged to an account.
	account *shares.Account
	claimed int
	bodies  []*ws.Body
}

// piece is memory for a few events.
type piece [16 << 10]byte

var (
	pages  = sync.Pool{New: func() any { return new(Page) }}
	pieces = sync.Pool{New: func() any { return new(piece) }}
)

// NewPage returns an empty page, which ends with Batch.Page or with Release.
func NewPage() *Page { return pages.Get().(*Page) }

// Len is how many messages there are.
func (p *Page) Len() int { return len(p.msgs) }

// Release gives back the page and the copies that it made.
func (p *Page) Release() {
	if p.claimed > 0 {
		unclaim(p.account, p.claimed, p.bodies...)
	}
	for _, piece := range p.pieces {
		pieces.Put(piece)
	}
	p.clear()
}

// clear gives back the page itself.
func (p *Page) clear() {
	const most = 1024 // a longer one is rare, and stays too much memory for the pool
	if cap(p.msgs) > most {
		return
	}
	clear(p.msgs)
	clear(p.pieces)
	clear(p.bodies)
	*p = Page{msgs: p.msgs[:0], pieces: p.pieces[:0], bodies: p.bodies[:0]}
	pages.Put(p)
}

// msgCost is what a queued message takes besides its bytes.
const msgCost = 64

func cost(m *ws.Msg) int {
	n := msgCost + len(m.Head) + len(m.Raw)
	if m.Body != nil {
		n += len(m.Body.Raw)
	}
	return n
}

// Add adds a message, which the page keeps.
func (p *Page) Add(m ws.Msg) {
	p.msgs = append(p.msgs, m)
	p.bytes += cost(&m)
}

// AddCopy adds a message of head, which the page keeps, and of a copy of raw.
func (p *Page) AddCopy(head, raw []byte) { p.Add(ws.Msg{Head: head, Raw: p.copy(raw)}) }

// copy returns a copy that lives as long as the page.
func (p *Page) copy(b []byte) []byte {
	n := len(b)
	if n > len(p.free) {
		if n > len(piece{}) {
			return append([]byte(nil), b...)
		}
		piece := pieces.Get().(*piece)
		p.pieces = append(p.pieces, piece)
		p.free = piece[:]
	}
	to := p.free[:n:n]
	p.free = p.free[n:]
	copy(to, b)
	return to
}

// join moves what other holds behind what is here.
func (p *Page) join(other *Page) {
	p.msgs = append(p.msgs, other.msgs...)
	p.bytes += other.bytes
	p.pieces = append(p.pieces, other.pieces...)
	p.free = other.free
	if other.claimed > 0 {
		p.account = other.account
		p.claimed += other.claimed
		p.bodies = append(p.bodies, other.bodies...)
	}
	other.clear()
}

// unclaimed is what may wait for a client without being charged to its account,
// in bytes: so that what comes and goes costs nothing but that.
const unclaimed = 16 << 10

// claim charges n bytes to a, body b among them if it is not nil.
func (p *Page) claim(a *shares.Account, n int, b *ws.Body) {
	claim(a, n, b)
	p.account = a
	p.claimed += n
	if b != nil {
		p.bodies = append(p.bodies, b)
	}
}

// claim charges n bytes that wait for a client. The body among them is charged
// to each address that it waits for, but once only to all: it lies in memory once.
func claim(a *shares.Account, n int, b *ws.Body) {
	all := n
	if b != nil && b.Waits.Add(1) > 1 {
		all -= len(b.Raw)
	}
	a.Charge(shares.Outbox, n, all)
}

// unclaim takes back what claims have charged.
func unclaim(a *shares.Account, n int, bodies ...*ws.Body) {
	all := n
	for _, b := range bodies {
		if b != nil && b.Waits.Add(-1) > 0 {
			all -= len(b.Raw)
		}
	}
	a.Charge(shares.Outbox, -n, -all)
}
