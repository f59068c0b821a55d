package relay

import (
	"sync"

	"moa/relay/ws"
)

// writers send what waits in outboxes. A few goroutines serve all connections,
// since to start one for each event that goes to each client costs as much as
// framing it does. They run while there is something to send, and none ever
// waits for a client: what a client does not take at once is left to a
// goroutine of its own.
//
// To wake another core costs as much as several writes. So who queues a few
// messages need wake nobody, if he serves the line himself when he is done.
type writers struct {
	most  int         // goroutines
	plain bool        // one system call for each client
	fail  func(error) // told of a fault of io_uring; may be nil
	tasks *tasks

	mu      sync.Mutex // guards the following
	line    ring[*outbox]
	running int
	spare   []*round // that nobody uses
	made    int      // rounds in all
	closed  bool
}

// few is how many connections are served at once, and by who has something for
// them rather than by a goroutine that has to be woken.
const few = ws.MostSends

// put gets o in line. The caller makes sure that it is not there twice, and
// serves the line soon unless he lets somebody be woken.
func (w *writers) put(o *outbox, wake bool) {
	w.mu.Lock()
	w.line.push(o)
	if wake || w.line.len() > few {
		w.startLocked()
	}
	w.mu.Unlock()
}

// serve writes to a few of the connections in line, and leaves the others to
// the goroutines. It waits for nobody.
func (w *writers) serve() {
	if r := w.take(false); r != nil {
		r.write()
		w.giveBack(r)
		w.wake()
	}
}

// wake has a goroutine serve the line, if anybody is in it.
func (w *writers) wake() {
	w.mu.Lock()
	w.startLocked()
	w.mu.Unlock()
}

func (w *writers) startLocked() {
	if w.line.len() > 0 && w.running < w.most {
		w.running++
		w.tasks.Go("writers", w.run)
	}
}

// run writes until nothing is left in line.
func (w *writers) run() {
	for {
		r := w.take(true)
		if r == nil {
			return
		}
		r.write()
		w.giveBack(r)
	}
}

// take returns a round for a few of those who are first in line. nil: nobody is
// in line, or as many rounds as there may be are under way, the first of which
// to end has the line served. The place of a caller who runs is gone then.
func (w *writers) take(runs bool) *round {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.spare) == 0 && w.made < 2*w.most+1 {
		w.made++
		w.spare = append(w.spare, &round{sender: ws.Sender{Plain: w.plain, Fail: w.fail}})
	}
	last := len(w.spare) - 1
	if w.line.len() == 0 || last < 0 {
		if runs {
			w.running--
		}
		return nil
	}
	r := w.spare[last]
	w.spare = w.spare[:last]
	for range min(few, w.line.len()) {
		r.outs = append(r.outs, w.line.pop())
	}
	return r
}

// giveBack takes back what take has given.
func (w *writers) giveBack(r *round) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		r.sender.Close()
	}
	w.spare = append(w.spare, r)
}

// close gives back what the system holds for the writers. They go on.
func (w *writers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, r := range w.spare {
		r.sender.Close()
	}
}

// round is what is written at once: what waits for a part of the line.
type round struct {
	sender ws.Sender
	outs   []*outbox
	queues []*queue
	sends  []ws.Send
}

func (r *round) write() {
	n := 0
	for _, o := range r.outs {
		if q := o.take(); q != nil {
			r.outs[n] = o
			r.queues = append(r.queues, q)
			r.sends = append(r.sends, ws.Send{Conn: o.conn, Msgs: q.msgs})
			n++
		}
	}
	r.sender.TryWrite(r.sends)
	for i := range r.sends {
		r.outs[i].sent(r.queues[i], r.sends[i].Rest, r.sends[i].Err)
	}
	clear(r.outs)
	clear(r.queues)
	clear(r.sends)
	r.outs, r.queues, r.sends = r.outs[:0], r.queues[:0], r.sends[:0]
}
