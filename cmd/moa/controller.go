package main

import (
	"context"
	"log/slog"

	"moa/cmd/moa/internal/config"
	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/policy/moderation"
	"moa/relay"
	"moa/store/badgerstore"
)

// controller is the relay's end of the control socket.
type controller struct {
	cfg    *config.Config
	log    *slog.Logger
	store  *badgerstore.Store
	server *relay.Server
	force  *inForce
	stored func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error
}

// desk is that of the policy moderation, which every chain of serve has.
func (c *controller) desk() *moderation.Desk {
	chain, _ := c.force.get()
	return deskOf(chain)
}

// deskOf is the desk of a chain; nil: it has none.
func deskOf(chain *policy.Chain) *moderation.Desk {
	for _, n := range chain.Links() {
		if p, ok := n.Policy.(*builtin.Moderation); ok {
			return p.Desk()
		}
	}
	return nil
}
