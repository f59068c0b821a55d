package policy

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"moa/nips/event"
)

// Env is what policies may use of the process around them. The zero Env works:
// it logs nothing, has the real clock, and knows no stored event.
type Env struct {
	Log  *slog.Logger
	Now  func() time.Time
	HTTP *http.Client // for lists and NIP-05; nil: one with a timeout of 10 s
	Dir  string       // relative paths in the config start here
	// Self returns the relay's own key, zero if it has none.
	Self func() event.PubKey
	// Stored calls found for the stored events that match, newest first, until
	// found returns an error, which it hands back. nil: there is no store.
	Stored func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error
	// Members are those of the relay; nil: it has none.
	Members Members
	// HideMembers shows who they are to them and to the Administrators only.
	HideMembers    bool
	Administrators []event.PubKey
	// Decided is what operators have decided; nil: nothing is.
	Decided Decided
	// Waiting are the events that wait for a person; nil: none can.
	Waiting Waiting
	// Moderates reports somebody who decides about events. nil: nobody does.
	Moderates func(event.PubKey) bool
}

// Filled returns a copy of env with every field but Stored set.
func (env Env) Filled() Env {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.HTTP == nil {
		env.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	if env.Self == nil {
		env.Self = func() event.PubKey { return event.PubKey{} }
	}
	if env.Members == nil {
		env.Members = noMembers{}
	}
	if env.Decided == nil {
		env.Decided = undecided{}
	}
	if env.Waiting == nil {
		env.Waiting = nothingWaits{}
	}
	if env.Moderates == nil {
		env.Moderates = func(event.PubKey) bool { return false }
	}
	return env
}

// Decides reports that there are operators who may decide.
func (env Env) Decides() bool { return env.Decided != nil && env.Decided != Decided(undecided{}) }

// Path resolves a file name of the config.
func (env Env) Path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(env.Dir, name)
}
