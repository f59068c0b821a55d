package hub

import (
	"sync"

	"moa/nips/event"
	"moa/store"
)

// maxHeld is how many live events a subscription may hold while its stored
// ones are sent. What they take is the Sink's to bound: Keep.
const maxHeld = 1024

// Sink is a connection's outgoing side. It decides whether its client may see
// the event, and withholds it silently if not. None of its methods waits. They
// are called with a subscription's lock held, or by the goroutine that calls
// GoLive: none may call the Index or the Sub.
type Sink[P any] interface {
	// Offer queues a live event, or condemns the connection and returns false.
	Offer(s *Sub[P], e *event.Event, payload P) bool
	// Keep takes a live event into account that waits in s. False: there is no
	// room for it, and s ends. Unkeep: it waits no longer.
	Keep(s *Sub[P], e *event.Event, payload P) bool
	Unkeep(s *Sub[P], e *event.Event, payload P)
	// Handover queues an event that has waited in s. False: it cannot be sent,
	// which ends the subscription and leaves the connection alone.
	Handover(s *Sub[P], e *event.Event, payload P) bool
}

// Sub is one REQ. Live events wait in it until the stored ones are sent. To hand over
// without a gap or a duplicate,
//
//  1. Add it to an Index: from here on live events wait in it,
//  2. read upTo := store.Last(),
//  3. send what is stored up to and including upTo,
//  4. call GoLive(upTo).
//
// An event must be committed before it is delivered.
type Sub[P any] struct {
	// Fixed once made.
	ID string
	// Head is for the Sink: what precedes each event on the wire. The hub does
	// not look at it.
	Head []byte
	// Owner is for the Sink too: what the subscription is to it.
	Owner any
	sink  Sink[P]

	// Generation is for the Sink's methods, which are called one at a time: of
	// what decides who may read, when the Sink asked last.
	Generation uint64

	// Owned by the Index, under its lock.
	memberships []membership
	seen        epoch

	mu    sync.Mutex // guards the following
	state state
	after store.Serial   // the stored events that are sent are those up to this one
	held  *[]delivery[P] // a pointer, since few ever hold any
}

// membership is where a subscription stands in an entry of the Index.
type membership struct{ entry, nth uint32 }

// epoch numbers the calls of Deliver, to meet everything once in each.
type epoch uint64

type state uint8

const (
	stored state = iota
	live
	ended // removed, or too far behind
)

type delivery[P any] struct {
	serial  store.Serial
	payload P
	event   *event.Event
}

// NewSub makes a subscription that is in no Index yet.
func NewSub[P any](id string, sink Sink[P]) *Sub[P] {
	s := new(Sub[P])
	s.Init(id, sink)
	return s
}

// Init is NewSub for a Sub that is part of something.
func (s *Sub[P]) Init(id string, sink Sink[P]) { s.ID, s.sink = id, sink }

// deliver offers an event, or keeps it for GoLive. False: s does not take it, or
// has it already.
func (s *Sub[P]) deliver(n store.Serial, e *event.Event, payload P) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == ended:
		return false
	case n != 0 && n <= s.after:
		// It was sent among the stored ones: committed before their end, and
		// delivered only now. This can happen at any time in the subscription's life.
		return false
	case s.state == live:
		return s.sink.Offer(s, e, payload)
	case s.held != nil && len(*s.held) == maxHeld || !s.sink.Keep(s, e, payload):
		s.endLocked() // GoLive tells
		return false
	}
	if s.held == nil {
		s.held = new([]delivery[P])
	}
	*s.held = append(*s.held, delivery[P]{n, payload, e})
	return true
}

// GoLive sends what waited, less what was sent among the stored events up to and
// including upTo, and lets later events through directly. False: Handover has failed,
// the subscription was removed, or it is too far behind; the caller should
// answer CLOSED if it has not removed it itself, and Remove it.
func (s *Sub[P]) GoLive(upTo store.Serial) bool {
	for {
		batch, done, ok := s.waiting(upTo)
		if done || !ok {
			return ok
		}
		for i, d := range batch {
			s.sink.Unkeep(s, d.event, d.payload)
			if d.serial != 0 && d.serial <= upTo {
				continue
			}
			if !s.sink.Handover(s, d.event, d.payload) {
				s.unkeep(batch[i+1:])
				return false
			}
		}
	}
}

// waiting takes what waits. If that is nothing, s is live.
func (s *Sub[P]) waiting(upTo store.Serial) (batch []delivery[P], done, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == ended {
		return nil, true, false
	}
	s.after = upTo
	if batch = s.takeLocked(); len(batch) == 0 {
		s.state = live
	}
	return batch, s.state == live, true
}

func (s *Sub[P]) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked()
}

func (s *Sub[P]) endLocked() {
	s.unkeep(s.takeLocked())
	s.state = ended
}

func (s *Sub[P]) takeLocked() (held []delivery[P]) {
	if s.held != nil {
		held, s.held = *s.held, nil
	}
	return held
}

func (s *Sub[P]) unkeep(list []delivery[P]) {
	for _, d := range list {
		s.sink.Unkeep(s, d.event, d.payload)
	}
}
