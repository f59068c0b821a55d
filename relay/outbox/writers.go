package outbox

import (
	"sync"
	"sync/atomic"

	"moa/relay/internal/fifo"
	"moa/relay/shares"
	"moa/relay/ws"
)

// Writers send what waits in outboxes. A few goroutines serve all connections,
// since to start one for each event that goes to each client costs as much as
// framing it does. They run while there is something to send, and none ever
// waits for a client: what a client does not take at once is left to a
// goroutine of its own.
//
// To wake another core costs as much as several writes. So a goroutine that
// queues a few messages wakes none: it queues them in a Batch, whose Done writes
// to those that got in the queue.
type Writers struct {
	// Fixed once made.
	most    int
	plain   bool
	fail    func(error)
	start   func(name string, f func())
	relieve func(*shares.Account)

	mu      sync.Mutex // guards the following
	queue   fifo.Queue[*Outbox]
	running int
	spare   []*group // not in use
	made    int      // groups in all
	closed  bool
	crowded []*Outbox // that have come to hold more than half of what they may

	crowds atomic.Bool // there are crowded ones
}

// Options are what Writers are made of.
type Options struct {
	Most  int                         // goroutines
	Plain bool                        // one system call for each client, without io_uring
	Fail  func(error)                 // told of a fault of io_uring; may be nil
	Start func(name string, f func()) // runs f in a goroutine
	// Relieve is called when more waits than the account's address, or all
	// together, may have.
	Relieve func(*shares.Account)
}

// NewWriters returns Writers that have nothing to do.
func NewWriters(o Options) *Writers {
	return &Writers{most: o.Most, plain: o.Plain, fail: o.Fail, start: o.Start, relieve: o.Relieve}
}

// few is how many connections are served at once, and by a goroutine that has
// something for them rather than by one that has to be woken.
const few = ws.MostSends

// Batch queues messages without waking a goroutine for them: Done has them
// written. It belongs to one goroutine, and takes no memory.
type Batch struct{ writers *Writers }

// Batch begins one. It ends with Done.
func (w *Writers) Batch() Batch { return Batch{w} }

// Offer is Outbox.Offer.
func (b Batch) Offer(o *Outbox, m ws.Msg) bool { return o.add(m, true, false) }

// Page queues a page, which is the outbox's to release. The caller has asked
// Room before.
func (b Batch) Page(o *Outbox, p *Page) { o.page(p) }

// Done writes to a few of the connections in the queue, and leaves the others to the
// goroutines. It waits for no client. The Batch may be used again.
func (b Batch) Done() {
	w := b.writers
	if g := w.take(false); g != nil {
		g.write()
		w.release(g)
		w.wake()
	}
}

// put gets o in the queue. The caller makes sure that it is not there twice. It wakes a
// goroutine, or serves the queue soon.
func (w *Writers) put(o *Outbox, wake bool) {
	w.mu.Lock()
	w.queue.Push(o)
	if wake || w.queue.Len() > few {
		w.startLocked()
	}
	w.mu.Unlock()
}

// wake has a goroutine serve the queue, if there is one.
func (w *Writers) wake() {
	w.mu.Lock()
	w.startLocked()
	w.mu.Unlock()
}

func (w *Writers) startLocked() {
	if w.queue.Len() > 0 && w.running < w.most {
		w.running++
		w.start("writers", w.run)
	}
}

// run writes until nothing is left in the queue.
func (w *Writers) run() {
	for {
		g := w.take(true)
		if g == nil {
			return
		}
		g.write()
		w.release(g)
	}
}

// take returns a group of a few that are first in the queue. nil: the queue is empty,
// or as many groups as there may be are being written; the first that is done
// has the queue served. runs: the caller is run, and ends if there is none.
func (w *Writers) take(runs bool) *group {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.spare) == 0 && w.made < 2*w.most+1 {
		w.made++
		w.spare = append(w.spare, &group{sender: ws.Sender{Plain: w.plain, Fail: w.fail}})
	}
	last := len(w.spare) - 1
	if w.queue.Len() == 0 || last < 0 {
		if runs {
			w.running--
		}
		return nil
	}
	g := w.spare[last]
	w.spare = w.spare[:last]
	for range min(few, w.queue.Len()) {
		g.outs = append(g.outs, w.queue.Pop())
	}
	return g
}

// crowd notes that o is more than half full, until Ease.
func (w *Writers) crowd(o *Outbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.crowded = append(w.crowded, o)
	w.crowds.Store(true)
}

// release takes back a group that take has returned.
func (w *Writers) release(g *group) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		g.sender.Close()
	}
	w.spare = append(w.spare, g)
}

// Close gives back what the system holds for the writers. They go on.
func (w *Writers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, g := range w.spare {
		g.sender.Close()
	}
}

// group is what is written at once: what waits for a part of the queue.
type group struct {
	sender ws.Sender
	outs   []*Outbox
	queues []*Page
	sends  []ws.Send
}

func (g *group) write() {
	n := 0
	for _, o := range g.outs {
		if q := o.take(); q != nil {
			g.outs[n] = o
			g.queues = append(g.queues, q)
			g.sends = append(g.sends, ws.Send{Conn: o.conn, Msgs: q.msgs})
			n++
		}
	}
	g.sender.TryWrite(g.sends)
	for i := range g.sends {
		g.outs[i].sent(g.queues[i], g.sends[i].Rest, g.sends[i].Err)
	}
	clear(g.outs)
	clear(g.queues)
	clear(g.sends)
	g.outs, g.queues, g.sends = g.outs[:0], g.queues[:0], g.sends[:0]
}
