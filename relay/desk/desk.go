// Package desk is where operators decide: one set of functions for every door, be it the
// control socket, NIP-86 or a page. A decision is durable and in force when the function
// that makes it returns, on every connection; the audit log says who made it, through
// which door. A door finds out whose request it is, and has no rules of its own.
package desk

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"moa/nips/event"
	"moa/policy/moderation"
	"moa/store/state"
)

// Deps are what a desk works with. Only State is needed.
type Deps struct {
	State *state.Store
	Log   *slog.Logger
	Now   func() time.Time
	// Stored calls found for the stored events that match, hidden or not, until found
	// returns an error, which it hands back.
	Stored func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error
	// Remove removes stored events, and returns how many there were.
	Remove func(context.Context, []event.ID) (int, error)
	// Forget drops what is kept of an author's events besides the store.
	Forget func(event.PubKey)
	// Release stores an event that was approved and sends it, and reports whether it is
	// stored. If it is not, without an error, nothing will ever have it stored.
	Release func(context.Context, *event.Event) (bool, error)
	// Reports returns what is reported, of the chain in force; it may return nil.
	Reports func() *moderation.Desk
	// Changed is called after each change. When it returns, nothing is acknowledged any
	// more that the change refuses, and what is open has been asked again.
	Changed func()
	// Connected are the open connections, and Disconnect ends those that are still there
	// of some, and returns how many.
	Connected  func() []Connected
	Disconnect func(ids []uint64) int

	// Publish signs an event by the relay's own key, stores it and sends it. The same
	// event does no harm twice; an older version at its address is replaced.
	Publish func(context.Context, event.Event) error
	Self    func() event.PubKey // the relay's own key
	Members func() MemberRules  // of the configuration in force
	// Administrator reports somebody who may decide everything.
	Administrator func(event.PubKey) bool
}

// Desk is safe for concurrent use.
type Desk struct {
	deps  Deps
	erase sync.Mutex    // held by the goroutine that does jobs, also over I/O
	left  chan struct{} // a hint that jobs are left; one is enough
	// unpublished is a hint that something about members is to be published, or a note
	// to be forgotten; one is enough.
	unpublished chan struct{}
	joined      chan struct{} // a hint that there may be a new member; one is enough
}

// New returns a desk.
func New(d Deps) *Desk {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Stored == nil {
		d.Stored = func(context.Context, *event.Filter, func(*event.Event) error) error { return nil }
	}
	if d.Remove == nil {
		d.Remove = func(context.Context, []event.ID) (int, error) { return 0, nil }
	}
	if d.Forget == nil {
		d.Forget = func(event.PubKey) {}
	}
	if d.Release == nil {
		d.Release = func(context.Context, *event.Event) (bool, error) { return false, errNotOpen }
	}
	if d.Reports == nil {
		d.Reports = func() *moderation.Desk { return nil }
	}
	if d.Changed == nil {
		d.Changed = func() {}
	}
	if d.Connected == nil {
		d.Connected = func() []Connected { return nil }
	}
	if d.Disconnect == nil {
		d.Disconnect = func([]uint64) int { return 0 }
	}
	if d.Publish == nil {
		d.Publish = func(context.Context, event.Event) error { return nil }
	}
	if d.Self == nil {
		d.Self = func() event.PubKey { return event.PubKey{} }
	}
	if d.Members == nil {
		d.Members = func() MemberRules { return MemberRules{} }
	}
	if d.Administrator == nil {
		d.Administrator = func(event.PubKey) bool { return false }
	}
	return &Desk{deps: d, left: make(chan struct{}, 1), unpublished: make(chan struct{}, 1), joined: make(chan struct{}, 1)}
}

// Decided is what policies ask.
func (d *Desk) Decided() *Decided { return &Decided{State: d.deps.State} }

// State is where the decisions are.
func (d *Desk) State() *state.Store { return d.deps.State }

// decided follows each change that was made: it is logged, and brought to what is open.
func (d *Desk) decided(by state.Actor, what string, facts ...any) {
	d.logged(by, what, facts...)
	if r := d.deps.Reports(); r != nil {
		r.Apply()
	}
	d.deps.Changed()
}

// logged tells the log of a change that was made.
func (d *Desk) logged(by state.Actor, what string, facts ...any) {
	who := "" // somebody with access to the machine
	if by.Key != (event.PubKey{}) {
		who = by.Key.String()
	}
	d.deps.Log.Info("moderation: decided", append([]any{"do", what, "door", by.Door, "by", who}, facts...)...)
}

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{state.ErrRequest}, args...)...)
}
