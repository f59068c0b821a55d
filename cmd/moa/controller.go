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
	"moa/relay/desk"
	"moa/relay/manage"
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
	desk   *desk.Desk
	calls  *manage.Door
	census *desk.Census
}

// reports are those of the policy moderation, which every chain of serve has.
func (c *controller) reports() *moderation.Desk { return c.force.reports() }

// reports are those of the chain in force; nil: it has none.
func (f *inForce) reports() *moderation.Desk {
	chain, _ := f.get()
	return reportsOf(chain)
}

// reportsOf are those of a chain; nil: it has none.
func reportsOf(chain *policy.Chain) *moderation.Desk {
	for _, n := range chain.Links() {
		if p, ok := n.Policy.(*builtin.Moderation); ok {
			return p.Desk()
		}
	}
	return nil
}
