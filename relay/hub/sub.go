package hub

import (
	"context"
	"sync"

	"moa/nips/event"
	"moa/relay/ws"
	"moa/store"
)

// maxPending is how many live events a subscription may hold while its stored
// ones are sent. What they take is the Sink's to bound: Keep.
const maxPending = 1024

// Sub is one REQ. It begins in replay: live matches wait until the stored ones
// are out. To hand over without a gap or a duplicate,
//
//  1. Add it to an Index: from here on live events wait in it,
//  2. read upTo := store.Last(),
//  3. send what is stored up to and including upTo,
//  4. call GoLive(upTo).
//
// An event must be committed before it is published.
type Sub struct {
	// Fixed once made.
	ID string
	// Head is for the Sink: what precedes each event on the wire. The hub does
	// not look at it.
	Head []byte
	// Owner is for the Sink too: what the subscription is to it.
	Owner any
	sink  Sink

	// Since is for the Sink's methods, which are called one at a time.
	Since uint64

	// Owned by the Index, under its lock.
	filters []*event.Filter // until it is added
	places  []place
	seen    round

	mu      sync.Mutex // guards the following
	state   state
	after   store.Serial // the replay covers serials up to this one
	pending []delivery
}

type state uint8

const (
	replay state = iota
	live
	ended // removed, or too far behind
)

type delivery struct {
	serial store.Serial
	body   *ws.Body
	event  *event.Event
}

// NewSub makes a subscription to what any of the filters matches. Their limits
// do not matter here; a filter that searches (NIP-50) matches nothing live.
func NewSub(id string, filters []*event.Filter, sink Sink) *Sub {
	return &Sub{ID: id, filters: filters, sink: sink}
}

// deliver passes an event on, or keeps it for GoLive. False: s takes it in no
// way, or has it already.
func (s *Sub) deliver(n store.Serial, e *event.Event, b *ws.Body) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == ended:
		return false
	case n != 0 && n <= s.after:
		// Committed before the replay's end and published after it. This can
		// happen at any time in the subscription's life.
		return false
	case s.state == live:
		return s.sink.Offer(s, b, e)
	case len(s.pending) == maxPending || !s.sink.Keep(s, b, e):
		s.endLocked() // GoLive tells
		return false
	}
	s.pending = append(s.pending, delivery{n, b, e})
	return true
}

// GoLive sends what waited, less what the replay up to and including upTo has
// already sent, and lets later events through directly. False: Push has failed,
// the subscription was removed, or it is too far behind; the caller should
// answer CLOSED if it has not removed it itself, and Remove it.
func (s *Sub) GoLive(ctx context.Context, upTo store.Serial) bool {
	for {
		batch, done, ok := s.waiting(upTo)
		if done || !ok {
			return ok
		}
		for i, d := range batch {
			s.sink.Unkeep(s, d.body, d.event)
			if d.serial != 0 && d.serial <= upTo {
				continue
			}
			if s.sink.Push(ctx, s, d.body, d.event) != nil {
				s.unkeep(batch[i+1:])
				return false
			}
		}
	}
}

// waiting takes what waits. If that is nothing, s is live.
func (s *Sub) waiting(upTo store.Serial) (batch []delivery, done, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == ended {
		return nil, true, false
	}
	s.after = upTo
	batch, s.pending = s.pending, nil
	if len(batch) == 0 {
		s.state = live
	}
	return batch, s.state == live, true
}

func (s *Sub) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked()
}

func (s *Sub) endLocked() {
	s.unkeep(s.pending)
	s.state, s.pending = ended, nil
}

func (s *Sub) unkeep(list []delivery) {
	for _, d := range list {
		s.sink.Unkeep(s, d.body, d.event)
	}
}
