package relay

import (
	"errors"
	"sync"

	"moa/relay/ws"
)

// errSlow says that a client has left too much unread.
var errSlow = errors.New("relay: slow consumer")

// outbox is what waits for one client to read. As long as there is something
// in it, it stands in the writers' line or is being written.
//
// Nobody waits for room here: live events and answers go by offer, which
// disconnects a client that has left more than limit unread, and stored events
// are looked up only while room says that there is room for them. Live events
// that wait for stored ones count too: keep.
//
// What is beyond unclaimed is charged to the client's account. If its address, or
// all together, then have too much, those that have the most are ended.
type outbox struct {
	mu      sync.Mutex // guards the following
	writing bool       // in line, or at a writer's
	quiet   bool       // in line, and nobody was woken for it
	closed  bool
	queue   *queue // nil: empty
	bytes   int    // queued or being written
	kept    int    // bytes of live events that wait for stored ones

	// Fixed once opened.
	conn    *ws.Conn
	writers *writers
	limit   int
	account *account         // nil: nobody's
	slow    func(queued int) // called once, when the client is disconnected for its slowness
	failed  func(err error)  // called when writing has failed; may be nil

	// Guarded by mu.
	flushed *sync.Cond // made by who waits for the writer
	waiting func()     // to be called once there is room
}

// open lets the outbox write. What was offered before waits for it.
func (o *outbox) open(conn *ws.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn = conn
	o.startLocked(true)
}

// offer queues m. It never waits. False: the connection is over, or is ended
// now because its client does not read.
func (o *outbox) offer(m ws.Msg) bool { return o.add(m, true, true) == nil }

// offerQuietly is offer for who serves the writers' line afterwards.
func (o *outbox) offerQuietly(m ws.Msg) bool { return o.add(m, true, false) == nil }

// push queues m if there is room for it, and leaves the connection alone if not.
func (o *outbox) push(m ws.Msg) error { return o.add(m, false, true) }

func (o *outbox) add(m ws.Msg, condemn, wake bool) error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return errSlow
	}
	queued := o.bytes
	if n := queued + cost(&m); n > o.limit {
		o.closed = condemn
		o.mu.Unlock()
		if condemn {
			o.slow(queued)
		}
		return errSlow
	}
	if o.queue == nil {
		o.queue = newQueue()
	}
	o.queue.add(m)
	o.bytes += cost(&m)
	claimed := o.bytes > unclaimed && o.account != nil
	if claimed {
		o.queue.claim(o.account, cost(&m), m.Body)
	}
	o.startLocked(wake)
	o.mu.Unlock()
	if claimed {
		o.account.relieve()
	}
	return nil
}

// keep takes a live event into account that waits for stored ones. False: there
// is no room for it. One that was kept is let go of by unkeep.
func (o *outbox) keep(n int, b *ws.Body) scope {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed || o.bytes+o.kept+n > o.limit:
		return ofConnection
	case o.account == nil:
	default:
		o.account.claim(n, b)
		if whose := o.account.beyond(ofOutbox, 1); whose != within {
			o.account.unclaim(n, b)
			return whose
		}
	}
	o.kept += n
	return within
}

func (o *outbox) unkeep(n int, b *ws.Body) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept -= n
	if o.account != nil {
		o.account.unclaim(n, b)
	}
}

// load is how much waits, in bytes.
func (o *outbox) load() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes + o.kept
}

// condemn closes the outbox and forgets what is queued. False: it was closed.
func (o *outbox) condemn() (queued int, ok bool) {
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
func (o *outbox) dropLocked() {
	if o.queue != nil {
		o.bytes -= o.queue.bytes
		o.queue.release()
	}
	o.queue, o.waiting = nil, nil
}

// page queues a page, which is the outbox's to release. The caller has asked
// room before, and serves the writers' line afterwards.
func (o *outbox) page(q *queue) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(q.msgs) == 0 {
		q.release()
		return
	}
	o.bytes += q.bytes
	if o.bytes > unclaimed && o.account != nil {
		q.claim(o.account, q.bytes, nil)
	}
	if o.queue == nil {
		o.queue = q
	} else {
		o.queue.join(q)
	}
	o.startLocked(false)
}

func (o *outbox) startLocked(wake bool) {
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

// room reports whether a page of stored events may be queued. If not, then is
// called as soon as it may, unless the connection ends before.
func (o *outbox) room(then func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.roomLocked() || o.closed {
		return true
	}
	o.waiting = then
	return false
}

// roomLocked: where memory is scarce, only those who have read what there was
// are read ahead for.
func (o *outbox) roomLocked() bool {
	return o.bytes < o.limit/4 && (o.bytes <= unclaimed || !o.scarce())
}

// scarce reports that the client's address, or all clients, have half of what
// they may.
func (o *outbox) scarce() bool {
	return o.account != nil && o.account.beyond(ofOutbox, 2) != within
}

// take hands out all that is queued now, to be sent in one go. nil: nothing is to
// be sent any more.
func (o *outbox) take() *queue {
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

// sent takes note of what has become of what take handed out, and gets in line
// again if more has come meanwhile. It does not wait: what the client did not
// take at once is sent by another goroutine, while more may be queued.
func (o *outbox) sent(batch *queue, rest *ws.Rest, err error) {
	if rest == nil {
		o.written(batch, err)
		return
	}
	o.writers.tasks.Go("finisher", func() { o.written(batch, rest.Finish()) }) // flush and close wait for it
}

func (o *outbox) written(batch *queue, err error) {
	n := batch.bytes
	batch.release()
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
		if o.failed != nil {
			o.failed(err)
		}
		o.conn.CloseNow() // ends the reader, who cleans up
	}
	if then != nil {
		then()
	}
}

func (o *outbox) stopLocked() {
	o.writing = false
	if o.flushed != nil {
		o.flushed.Broadcast()
	}
}

// flush waits until everything is written or the connection is over.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.flushed == nil {
		o.flushed = sync.NewCond(&o.mu)
	}
	for o.writing {
		o.flushed.Wait()
	}
}

// close drops what is queued and takes no more. The connection must be over, so
// that the writer ends.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.dropLocked()
	o.mu.Unlock()
	o.flush()
}
