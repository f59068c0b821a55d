// Package hub finds the live subscriptions an event matches, and joins their
// stored events to their live ones. It is a data structure: it starts no
// goroutine and never blocks on a connection.
package hub

import (
	"context"

	"moa/nips/event"
	"moa/relay/ws"
)

// Sink is a connection's outgoing side. It decides whether its client may see
// the event, and withholds it silently if not. Its methods are called with a
// subscription's lock held or on its replay's goroutine: none may call the
// Index or the Sub.
type Sink interface {
	// Offer never waits: it queues, or condemns the connection and returns false.
	Offer(s *Sub, b *ws.Body, e *event.Event) bool
	// Keep takes a live event into account that waits in s. False: there is no
	// room for it, and s ends. Unkeep: it waits no more.
	Keep(s *Sub, b *ws.Body, e *event.Event) bool
	Unkeep(s *Sub, b *ws.Body, e *event.Event)
	// Push waits for room. Its error ends the subscription.
	Push(ctx context.Context, s *Sub, b *ws.Body, e *event.Event) error
}
