package relay

import "sync"

// writers send what waits in outboxes. A few goroutines serve all connections,
// since to start one for each event that goes to each client costs as much as
// framing it does. They run while there is something to send, and none ever
// waits for a client: who has to gives its place to another goroutine and goes
// on for this one client.
type writers struct {
	most int // goroutines that are not waiting for a client

	mu      sync.Mutex // guards the following
	line    ring[*outbox]
	running int
}

// put gets o in line. The caller makes sure that it is not there twice.
func (w *writers) put(o *outbox) {
	w.mu.Lock()
	w.line.push(o)
	w.startLocked()
	w.mu.Unlock()
}

func (w *writers) startLocked() {
	if w.running < w.most && w.line.len() > 0 {
		w.running++
		go w.run()
	}
}

// run writes until nothing is left in line or it had to wait for a client.
func (w *writers) run() {
	left := false
	leave := func() {
		if !left {
			left = true
			w.leave()
		}
	}
	for !left {
		o := w.next()
		if o == nil {
			return
		}
		o.write(leave)
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

// leave makes room for another goroutine.
func (w *writers) leave() {
	w.mu.Lock()
	w.running--
	w.startLocked()
	w.mu.Unlock()
}
