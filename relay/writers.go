package relay

import "sync"

// writers send what waits in outboxes. A few goroutines serve all connections,
// since to start one for each event that goes to each client costs as much as
// framing it does. They run while there is something to send, and none ever
// waits for a client: what a client does not take at once is left to a
// goroutine of its own.
//
// To wake another core costs as much as several writes. So who queues a few
// messages holds the line meanwhile, and then serves it himself.
type writers struct {
	most int // goroutines

	mu      sync.Mutex // guards the following
	line    ring[*outbox]
	running int
	held    int // by those who will serve
}

// few is how many connections are served by who has something for them,
// rather than by a goroutine that has to be woken.
const few = 64

// put gets o in line. The caller makes sure that it is not there twice.
func (w *writers) put(o *outbox) {
	w.mu.Lock()
	w.line.push(o)
	w.startLocked()
	w.mu.Unlock()
}

// hold says that the caller will serve the line: nobody is woken for a few.
func (w *writers) hold() {
	w.mu.Lock()
	w.held++
	w.mu.Unlock()
}

// serve ends hold: it writes to a few connections, and leaves the others to
// the goroutines. It waits for nobody.
func (w *writers) serve() {
	for range few {
		o := w.pop()
		if o == nil {
			break
		}
		o.write()
	}
	w.mu.Lock()
	w.held--
	w.startLocked()
	w.mu.Unlock()
}

func (w *writers) startLocked() {
	n := w.line.len()
	if w.held > 0 {
		n -= few
	}
	if n > 0 && w.running < w.most {
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
