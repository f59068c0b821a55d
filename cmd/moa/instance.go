package main

import (
	"context"
	"log/slog"
	"sync/atomic"

	"moa/cmd/moa/internal/config"
	"moa/nips/event"
	"moa/policy"
	"moa/relay"
	"moa/relay/desk"
	"moa/store/badgerstore"
	"moa/store/state"
)

// instance is a running relay and what it was made from.
type instance struct {
	source *config.Source
	cfg    config.Config
	level  *slog.LevelVar
	log    *slog.Logger
	env    policy.Env
	report policy.Report
	force  inForce
	server *relay.Server

	members atomic.Pointer[relay.Members]              // of the configuration in force
	ranks   atomic.Pointer[map[event.PubKey]desk.Rank] // the same

	// Set before the first policy is asked.
	store    *badgerstore.Store
	state    *state.Store
	desk     *desk.Desk
	census   *desk.Census
	identity *relay.Identity // nil: the relay has no key of its own
}

// self is policy.Env.Self.
func (in *instance) self() (pk event.PubKey) {
	if in.identity != nil {
		pk = in.identity.PubKey()
	}
	return pk
}

// stored is policy.Env.Stored.
func (in *instance) stored(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
	return findStored(ctx, in.store, f, found)
}
