package relay

import "sync"

// writers send what waits in outboxes. A few goroutines serve all connections,
// since to start one for each event that goes to each client costs as much as
// framing it does. They run while there is something to send, and none ever
// waits for a client: what a client does not take at once is left to a
// goroutine of its own.
//
// To wake another core costs as much as several writes. So who queues a few
// messages need wake nobody, if he serves the line himself when he is done.
type writers struct {
	most int // goroutines

	mu      sync.Mutex // guards the following
	line    ring[*outbox]
	running int
}

// few is how many connections are served by who has something for them,
// rather than by a goroutine that has to be woken.
const few = 64

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
	for range few {
		o := w.pop()
		if o == nil {
			return
		}
		o.write()
	}
	w.wake()
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
		go w.run()
	}
}

// run writes until nothing is left in line.
func (w *writers) run() {
	for {
		o := w.next()
		if o == nil {
			return
		}
		o.write()
	}
}

// next returns who is first in line. nil: nobody, and the caller's place is gone.
func (w *writers) next() *outbox {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.line.len() == 0 {
		w.running--
		return nil
	}
	return w.line.pop()
}

// pop is next for who has no place.
func (w *writers) pop() *outbox {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.line.len() == 0 {
		return nil
	}
	return w.line.pop()
}
