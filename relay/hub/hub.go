// Package hub finds the live subscriptions an event matches, and joins their
// stored events to their live ones. It is a data structure: it starts no
// goroutine and never blocks on a connection.
package hub

import (
	"context"
	"sync"

	"moa/nips/event"
	"moa/relay/ws"
	"moa/store"
)

// Sink is a connection's outgoing side. It decides whether its client may see
// the event, and withholds it silently if not. Neither method may call the
// Index or the Sub.
type Sink interface {
	// Offer never waits: it queues, or condemns the connection and returns false.
	Offer(s *Sub, b *ws.Body, e *event.Event) bool
	// Push waits for room.
	Push(ctx context.Context, s *Sub, b *ws.Body, e *event.Event) error
}

// maxPending is how many live events a subscription may hold while its stored
// ones are sent.
const maxPending = 1024

// Sub is one REQ. It begins in replay: live matches wait until the stored ones
// are out.
type Sub struct {
	ID string
	// Head is for the Sink: what precedes each event on the wire. The hub does
	// not look at it.
	Head []byte

	filters []*event.Filter
	sink    Sink

	mu      sync.Mutex
	live    bool
	dead    bool
	after   store.Serial // the replay covers serials up to this one
	pending []delivery
}

type delivery struct {
	serial store.Serial
	body   *ws.Body
	event  *event.Event
}

// NewSub makes a subscription to what any of the filters matches; their limits
// do not matter here.
func NewSub(id string, filters []*event.Filter, sink Sink) *Sub {
	return &Sub{ID: id, filters: filters, sink: sink}
}

func (s *Sub) matches(e *event.Event) bool {
	for _, f := range s.filters {
		if f.Matches(e) {
			return true
		}
	}
	return false
}

func (s *Sub) deliver(n store.Serial, e *event.Event, b *ws.Body) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.dead:
	case n != 0 && n <= s.after: // committed before the replay, published after it
	case s.live:
		s.sink.Offer(s, b, e)
	case len(s.pending) < maxPending:
		s.pending = append(s.pending, delivery{n, b, e})
	default:
		s.dead, s.pending = true, nil // the replay goroutine answers CLOSED
	}
}

// GoLive sends what waited, less what the replay up to and including upTo has
// already sent, and lets later events through directly. False: the
// subscription was removed, Push failed, or it is too far behind.
func (s *Sub) GoLive(ctx context.Context, upTo store.Serial) bool {
	for {
		s.mu.Lock()
		s.after = upTo
		batch := s.pending
		s.pending = nil
		if s.dead || len(batch) == 0 {
			s.live = !s.dead
			s.mu.Unlock()
			return s.live
		}
		s.mu.Unlock()
		for _, d := range batch {
			if d.serial != 0 && d.serial <= upTo {
				continue
			}
			if s.sink.Push(ctx, s, d.body, d.event) != nil {
				return false
			}
		}
	}
}

// Index is the set of open subscriptions. The zero Index is empty and ready.
type Index struct {
	mu   sync.RWMutex
	subs map[*Sub]struct{}
}

// Add makes s receive what is published from now on.
func (x *Index) Add(s *Sub) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.subs == nil {
		x.subs = map[*Sub]struct{}{}
	}
	x.subs[s] = struct{}{}
}

// Remove ends s: when it returns, its Sink is called no more.
func (x *Index) Remove(s *Sub) {
	x.mu.Lock()
	delete(x.subs, s)
	x.mu.Unlock()
	s.mu.Lock()
	s.dead, s.pending = true, nil
	s.mu.Unlock()
}

// Publish hands e to every matching subscription and says how many there were.
// n is 0 for an event that is not stored. Each subscription receives events in
// the order of the Publish calls, if one goroutine makes them.
func (x *Index) Publish(n store.Serial, e *event.Event, b *ws.Body) (matched int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for s := range x.subs {
		if s.matches(e) {
			s.deliver(n, e, b)
			matched++
		}
	}
	return matched
}
