package manager

import (
	"context"

	"moa/nips/event"
	"moa/relay"
)

// Signer signs an event that has all but its author, id and signature.
type Signer func(context.Context, event.Event) (*event.Event, error)

// ByKey signs by a key at hand.
func ByKey(id *relay.Identity) Signer {
	return func(_ context.Context, e event.Event) (*event.Event, error) { return id.Sign(e) }
}
