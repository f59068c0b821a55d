// Package outbox is what waits for clients to read it, and the few goroutines
// that write it to their connections. It knows messages and bytes, and not what
// they say. What a slow client is told, and which client is ended when too much
// waits, is its user's.
package outbox

import (
	"sync"

	"moa/relay/shares"
	"moa/relay/ws"
)

// Owner is told of the end that its Outbox puts to a connection.
type Owner interface {
	// Slow is called once, when the client has left too much unread.
	Slow(queued int)
	// Failed is called when writing has failed. It sees to it that the reader ends,
	// which cleans up.
	Failed(err error)
}

// Outbox is what waits for one client to read. As long as there is something
// in it, it stands in the writers' queue or is being written.
//
// Nobody waits for room here: live events and answers go by Offer, which
// disconnects a client that has left more than the limit unread, and stored events
// are looked up only while Room says that there is room for them. Live events
// that wait for stored ones count too: Keep.
//
// What is beyond unclaimed is charged to the client's account. If its address, or
// all together, then have too much, Writers.Relieve is called.
type Outbox struct {
	mu      sync.Mutex // guards the following
	writing bool       // in the queue, or at a writer's
	quiet   bool       // in the queue, and no goroutine was woken for it
	closed  bool
	crowded bool  // it is among Writers.crowded
	queue   *Page // nil: empty
	bytes   int   // queued or being written
	kept    int   // bytes of live events that wait for stored ones

	// Fixed once opened.
	conn    *ws.Conn
	writers *Writers
	limit   int
	account *shares.Account
	owner   Owner

	// Guarded by mu.
	flushed *sync.Cond // made by a caller that waits for the writer
	waiting func()     // to be called once there is room
}

// Init prepares an outbox for at most limit bytes, which are charged to the
// account.
func (o *Outbox) Init(w *Writers, limit int, account *shares.Account, owner Owner) {
	o.writers, o.limit, o.account, o.owner = w, limit, account, owner
}

// Open lets the outbox write. What was offered before waits for it.
func (o *Outbox) Open(conn *ws.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn = conn
	o.startLocked(true)
}

// Offer queues m. It never waits. False: the connection is over, or is ended
// now because its client does not read.
func (o *Outbox) Offer(m ws.Msg) bool { return o.add(m, true, true) }

// Handover queues m if there is room for it, and leaves the connection alone if
// not.
func (o *Outbox) Handover(m ws.Msg) bool { return o.add(m, false, true) }

func (o *Outbox) add(m ws.Msg, condemn, wake bool) bool {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return false
	}
	queued := o.bytes
	if n := queued + cost(&m); n > o.limit {
		o.closed = condemn
		o.mu.Unlock()
		if condemn {
			o.owner.Slow(queued)
		}
		return false
	}
	if o.queue == nil {
		o.queue = NewPage()
	}
	o.queue.Add(m)
	o.bytes += cost(&m)
	claimed := o.bytes > unclaimed
	if claimed {
		o.queue.claim(o.account, cost(&m), m.Body)
	}
	crowds := o.bytes > o.limit/2 && !o.crowded
	o.crowded = o.crowded || crowds
	o.startLocked(wake)
	o.mu.Unlock()
	if crowds {
		o.writers.crowd(o)
	}
	if claimed && o.account.Beyond(shares.Outbox, 1) != shares.Within {
		o.writers.relieve(o.account)
	}
	return true
}

// Keep takes a live event into account that waits for stored ones: n bytes, b
// among them. If there is no room for it, Keep says whose bound that is. What is
// kept is let go of by Unkeep.
func (o *Outbox) Keep(n int, b *ws.Body) shares.Scope {
	n += msgCost
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.bytes+o.kept+n > o.limit {
		return shares.Connection
	}
	claim(o.account, n, b)
	if whose := o.account.Beyond(shares.Outbox, 1); whose != shares.Within {
		unclaim(o.account, n, b)
		return whose
	}
	o.kept += n
	return shares.Within
}

// Unkeep lets go of what was kept.
func (o *Outbox) Unkeep(n int, b *ws.Body) {
	n += msgCost
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept -= n
	unclaim(o.account, n, b)
}

// Load is how much waits, in bytes.
func (o *Outbox) Load() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes + o.kept
}

// Over reports that nothing is sent any more.
func (o *Outbox) Over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

// Condemn closes the outbox and forgets what is queued. False: it was closed.
func (o *Outbox) Condemn() (queued int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, false
	}
	queued, o.closed = o.bytes+o.kept, true
	o.dropLocked()
	return queued, true
}

// dropLocked forgets what is queued.
func (o *Outbox) dropLocked() {
	if o.queue != nil {
		o.bytes -= o.queue.bytes
		o.queue.Release()
	}
	o.queue, o.waiting = nil, nil
}

// page queues a page, and has the queue served by its caller.
func (o *Outbox) page(p *Page) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(p.msgs) == 0 {
		p.Release()
		return
	}
	o.bytes += p.bytes
	if o.bytes > unclaimed {
		p.claim(o.account, p.bytes, nil)
	}
	if o.queue == nil {
		o.queue = p
	} else {
		o.queue.join(p)
	}
	o.startLocked(false)
}

func (o *Outbox) startLocked(wake bool) {
	switch {
	case o.conn == nil || o.queue == nil || o.closed:
	case !o.writing:
		o.writing, o.quiet = true, !wake
		o.writers.put(o, wake)
	case o.quiet && wake:
		o.quiet = false
		o.writers.wake()
	}
}

// Room reports whether a page of stored events may be queued. If not, then is
// called as soon as it may, unless the connection ends before.
func (o *Outbox) Room(then func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.roomLocked() || o.closed {
		return true
	}
	o.waiting = then
	return false
}

// roomLocked: where memory is scarce, a client gets more only when it has read
// what there was.
func (o *Outbox) roomLocked() bool {
	return o.bytes < o.limit/4 && (o.bytes <= unclaimed || !o.Scarce())
}

// Scarce reports that the client's address, or all clients, have half of what
// they may.
func (o *Outbox) Scarce() bool { return o.account.Beyond(shares.Outbox, 2) != shares.Within }

// take hands out all that is queued now, to be sent in one go. nil: nothing is to
// be sent any more.
func (o *Outbox) take() *Page {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.quiet = false
	if o.closed {
		o.dropLocked()
		o.stopLocked()
		return nil
	}
	batch := o.queue
	o.queue = nil
	return batch
}

// sent takes note of what has become of what take handed out, and gets in the queue
// again if more has come meanwhile. It does not wait: what the client did not
// take at once is sent by another goroutine, while more may be queued.
func (o *Outbox) sent(batch *Page, rest *ws.Rest, err error) {
	if rest == nil {
		o.written(batch, err)
		return
	}
	o.writers.start("finisher", func() { o.written(batch, rest.Finish()) }) // Flush and Close wait for it
}

func (o *Outbox) written(batch *Page, err error) {
	n := batch.bytes
	batch.Release()
	o.mu.Lock()
	o.bytes -= n
	if err != nil {
		o.closed = true
	}
	var then func()
	if o.roomLocked() {
		then, o.waiting = o.waiting, nil
	}
	if o.queue == nil || o.closed {
		o.stopLocked()
	} else {
		o.writers.put(o, true)
	}
	o.mu.Unlock()
	if err != nil {
		o.owner.Failed(err)
	}
	if then != nil {
		then()
	}
}

func (o *Outbox) stopLocked() {
	o.writing = false
	if o.flushed != nil {
		o.flushed.Broadcast()
	}
}

// Flush waits until everything is written or the connection is over.
func (o *Outbox) Flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.flushed == nil {
		o.flushed = sync.NewCond(&o.mu)
	}
	for o.writing {
		o.flushed.Wait()
	}
}

// Close drops what is queued, and what is offered later. The connection must be
// over, so that the writer ends.
func (o *Outbox) Close() {
	o.mu.Lock()
	o.closed = true
	o.dropLocked()
	o.mu.Unlock()
	o.Flush()
}

// eased reports that o is not more than half full any more.
func (o *Outbox) eased() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed || o.bytes <= o.limit/2
}

// forget lets o be noted again.
func (o *Outbox) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.crowded = false
}
