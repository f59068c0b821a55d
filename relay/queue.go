package relay

import (
	"sync"

	"moa/relay/ws"
	"moa/store"
)

// queue is messages for one client, in order. It comes from a pool, and so does
// what copies of stored events lie in: whoever ends it releases it.
type queue struct {
	msgs   []ws.Msg
	bytes  int      // what the messages take
	pieces []*piece // in use
	free   []byte   // of the last piece

	// What of it is charged to an account.
	account *account
	claimed int
	bodies  []*ws.Body
}

// piece is memory for a few events.
type piece [16 << 10]byte

var (
	queues = sync.Pool{New: func() any { return new(queue) }}
	pieces = sync.Pool{New: func() any { return new(piece) }}
)

func newQueue() *queue { return queues.Get().(*queue) }

// release gives back the queue and the copies that it made.
func (q *queue) release() {
	if q.claimed > 0 {
		q.account.unclaim(q.claimed, q.bodies...)
	}
	for _, p := range q.pieces {
		pieces.Put(p)
	}
	q.clear()
}

// clear gives back the queue itself.
func (q *queue) clear() {
	const most = 1024 // a longer one is rare, and stays too much memory for the pool
	if cap(q.msgs) > most {
		return
	}
	clear(q.msgs)
	clear(q.pieces)
	clear(q.bodies)
	*q = queue{msgs: q.msgs[:0], pieces: q.pieces[:0], bodies: q.bodies[:0]}
	queues.Put(q)
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

func (q *queue) add(m ws.Msg) {
	q.msgs = append(q.msgs, m)
	q.bytes += cost(&m)
}

// unclaimed is what may wait for a client without being charged to its account,
// in bytes: so that what comes and goes costs nothing but that.
const unclaimed = 16 << 10

// claim charges n bytes to a, body b among them if it is not nil.
func (q *queue) claim(a *account, n int, b *ws.Body) {
	a.claim(n, b)
	q.account = a
	q.claimed += n
	if b != nil {
		q.bodies = append(q.bodies, b)
	}
}

// claim charges n bytes that wait for a client. The body among them is charged
// to each address that it waits for, but once only to all: it lies in memory once.
func (a *account) claim(n int, b *ws.Body) {
	a.held[ofOutbox].Add(int64(n))
	if b != nil && b.Waits.Add(1) > 1 {
		n -= len(b.Raw)
	}
	a.ledger.held[ofOutbox].Add(int64(n))
}

// unclaim takes back what claims have charged.
func (a *account) unclaim(n int, bodies ...*ws.Body) {
	a.held[ofOutbox].Add(-int64(n))
	for _, b := range bodies {
		if b != nil && b.Waits.Add(-1) > 0 {
			n -= len(b.Raw)
		}
	}
	a.ledger.held[ofOutbox].Add(-int64(n))
}

// relieve sees to it that not too much waits, for the account's address or in all.
func (a *account) relieve() {
	if a.beyond(ofOutbox, 1) != within {
		a.ledger.relieve(a)
	}
}

// addStored adds a stored event. It is not compressed: unlike a live one it is
// for one client only, and deflating it costs more than finding it.
func (q *queue) addStored(head []byte, r *store.Record) {
	raw := r.Raw
	if !r.Stable {
		raw = q.copy(raw)
	}
	q.add(ws.Msg{Head: head, Raw: raw})
}

// copy returns a copy that lives as long as the queue.
func (q *queue) copy(b []byte) []byte {
	n := len(b)
	if n > len(q.free) {
		if n > len(piece{}) {
			return append([]byte(nil), b...)
		}
		p := pieces.Get().(*piece)
		q.pieces = append(q.pieces, p)
		q.free = p[:]
	}
	to := q.free[:n:n]
	q.free = q.free[n:]
	copy(to, b)
	return to
}

// join moves what other holds behind what is here.
func (q *queue) join(other *queue) {
	q.msgs = append(q.msgs, other.msgs...)
	q.bytes += other.bytes
	q.pieces = append(q.pieces, other.pieces...)
	q.free = other.free
	if other.claimed > 0 {
		q.account = other.account
		q.claimed += other.claimed
		q.bodies = append(q.bodies, other.bodies...)
	}
	other.clear()
}
