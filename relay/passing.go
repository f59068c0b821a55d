package relay

import (
	"sync"

	"moa/nips/event"
	"moa/policy"
	"moa/relay/outbox"
	"moa/store"
)

// passing hands accepted events to the live subscriptions, in the order in
// which they were committed. Who has committed a few passes them on himself,
// unless somebody is at it; everything else is left to run.
type passing struct {
	publish func(outbox.Batch, publication)
	writers *outbox.Writers

	mu      sync.Mutex // guards the following
	work    sync.Cond  // for run
	room    sync.Cond  // for the writer
	waiting []publication
	bytes   int  // of the events that wait, or are being passed on
	busy    bool // somebody is at it
	closed  bool

	spare []publication // owned by who is at it
}

// maxPassing is how many events, and maxPassingBytes how many bytes of them, may
// wait before no more are committed. A round of commits may come on top.
const (
	maxPassing      = 2048
	maxPassingBytes = 16 << 20
)

func newPassing(w *outbox.Writers, publish func(outbox.Batch, publication)) *passing {
	p := &passing{publish: publish, writers: w}
	p.work.L, p.room.L = &p.mu, &p.mu
	return p
}

// add takes what was accepted of a batch. The caller leads the commits, so that
// they come in order. If he may, and nobody else is at it, he is told to pass
// them on himself.
func (p *passing) add(batch []ticket, may bool) (yours bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range batch {
		if t := &batch[i]; t.fate == fateStored || t.fate == fateRelayed {
			p.waiting = append(p.waiting, publication{t.from, t.chain, t.e, t.serial, t.replay})
			p.bytes += t.cost()
		}
	}
	if len(p.waiting) == 0 || p.busy {
		return false
	}
	if may {
		p.busy = true
		return true
	}
	p.work.Signal()
	return false
}

// pass passes on what waits. The caller is the one who is at it, and is it no
// more when pass returns.
func (p *passing) pass() {
	p.mu.Lock()
	list, bytes := p.waiting, p.bytes
	p.waiting = p.spare[:0]
	p.mu.Unlock()
	p.room.Broadcast()
	b := p.writers.Batch()
	for i := range list {
		p.publish(b, list[i])
	}
	b.Done()
	clear(list)
	p.mu.Lock()
	p.spare = list
	p.busy = false
	p.bytes -= bytes
	more := len(p.waiting) > 0 || p.closed
	p.mu.Unlock()
	p.room.Broadcast()
	if more {
		p.work.Signal()
	}
}

// run passes on what nobody else does, until close was called and all is done.
func (p *passing) run() {
	for {
		p.mu.Lock()
		for p.busy || len(p.waiting) == 0 && !p.closed {
			p.work.Wait()
		}
		if len(p.waiting) == 0 {
			p.mu.Unlock()
			return
		}
		p.busy = true
		p.mu.Unlock()
		p.pass()
	}
}

// full reports that so many events wait that no more should be committed.
func (p *passing) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fullLocked()
}

func (p *passing) fullLocked() bool {
	return len(p.waiting) >= maxPassing || p.bytes >= maxPassingBytes
}

// makeRoom waits until it is not full.
func (p *passing) makeRoom() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.fullLocked() {
		p.room.Wait()
	}
}

// close lets run end. Nothing is added any more.
func (p *passing) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.work.Signal()
}

// publication is an accepted event on its way to the live subscriptions.
type publication struct {
	from   policy.Client
	chain  *policy.Chain
	e      *event.Event
	serial store.Serial // 0: not stored
	replay bool
}
