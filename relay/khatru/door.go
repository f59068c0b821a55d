// Package khatru is the door through which policies and hooks written for
// github.com/fiatjaf/khatru (v0.19.1) plug into moa unchanged: moa's engine
// serves the socket, stores the events and answers the queries; the hooks of a
// *khatru.Relay decide.
//
// It is the only package that imports khatru. It does not use khatru's engine:
// no listener, no websocket, no goroutine a message. Hooks that would replace
// moa's store (StoreEvent, QueryEvents, …) are refused by New with an error
// that names them.
package khatru

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"

	"github.com/fiatjaf/khatru"
	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
	"moa/nips/nip98"
	"moa/nips/reason"
	"moa/policy"
)

// Options are what a *khatru.Relay does not say of itself.
type Options struct {
	// Admins may call the management API (NIP-86). None: nobody may.
	Admins []event.PubKey
}

// Door is a *khatru.Relay as a policy of moa. It takes copies of the hook
// lists at New: a hook appended later is not called.
type Door struct {
	hooks
	rl   *khatru.Relay
	o    Options
	keys contextKeys
	mint *mint

	callers nip98.Checker
	conns   sync.Map // of uint64 (policy.Client.ID) to *conn
	last    lastEvent
}

var _ interface {
	policy.LatePolicy
	policy.FilterPolicy
	policy.CountPolicy
	policy.Rewriter
	policy.LivePolicy
	policy.ConnPolicy
	policy.Observer
} = (*Door)(nil)

// hooks are the lists that the door calls.
type hooks struct {
	rejectEvent       []func(context.Context, *nostr.Event) (bool, string)
	rejectFilter      []func(context.Context, nostr.Filter) (bool, string)
	rejectCountFilter []func(context.Context, nostr.Filter) (bool, string)
	overwriteFilter   []func(context.Context, *nostr.Filter)
	rejectConnection  []func(*http.Request) bool
	onConnect         []func(context.Context)
	onDisconnect      []func(context.Context)
	onEventSaved      []func(context.Context, *nostr.Event)
	onEphemeralEvent  []func(context.Context, *nostr.Event)
	preventBroadcast  []func(*khatru.WebSocket, *nostr.Event) bool
}

// New opens a door to rl's hooks.
func New(rl *khatru.Relay, o Options) (*Door, error) {
	if err := refused(rl); err != nil {
		return nil, err
	}
	keys, err := askForKeys()
	if err != nil {
		return nil, err
	}
	// HandleNIP11 appends to this list on every request: without spare capacity
	// each request gets an array of its own.
	rl.Info.SupportedNIPs = slices.Clip(rl.Info.SupportedNIPs)
	d := &Door{
		rl: rl, o: o, keys: keys, mint: newMint(),
		hooks: hooks{
			rejectEvent:       slices.Clone(rl.RejectEvent),
			rejectFilter:      slices.Clone(rl.RejectFilter),
			rejectCountFilter: slices.Clone(rl.RejectCountFilter),
			overwriteFilter:   slices.Clone(rl.OverwriteFilter),
			rejectConnection:  slices.Clone(rl.RejectConnection),
			onConnect:         slices.Clone(rl.OnConnect),
			onDisconnect:      slices.Clone(rl.OnDisconnect),
			onEventSaved:      slices.Clone(rl.OnEventSaved),
			onEphemeralEvent:  slices.Clone(rl.OnEphemeralEvent),
			preventBroadcast:  slices.Clone(rl.PreventBroadcast),
		},
	}
	return d, d.mint.prove()
}

// refused names the hooks that moa's engine has no place for.
func refused(rl *khatru.Relay) error {
	var errs []error
	for name, n := range map[string]int{
		"StoreEvent":               len(rl.StoreEvent),
		"ReplaceEvent":             len(rl.ReplaceEvent),
		"DeleteEvent":              len(rl.DeleteEvent),
		"QueryEvents":              len(rl.QueryEvents),
		"CountEvents":              len(rl.CountEvents),
		"CountEventsHLL":           len(rl.CountEventsHLL),
		"OverwriteDeletionOutcome": len(rl.OverwriteDeletionOutcome),
		"OverwriteResponseEvent":   len(rl.OverwriteResponseEvent),
	} {
		if n > 0 {
			errs = append(errs, fmt.Errorf("khatru: %s has hooks, but moa stores and serves the events itself: remove them", name))
		}
	}
	if router := reflect.ValueOf(rl).Elem().FieldByName("getSubRelayFromEvent"); router.IsValid() && !router.IsNil() {
		errs = append(errs, errors.New("khatru: a khatru.Router has relays of its own, which moa cannot serve: pass one plain relay"))
	}
	slices.SortFunc(errs, func(a, b error) int { return len(a.Error()) - len(b.Error()) })
	return errors.Join(errs...)
}

// AfterSignature marks the door as late: khatru's hooks may rely on an event's
// author.
func (d *Door) AfterSignature() {}

// Event asks the RejectEvent hooks.
func (d *Door) Event(_ context.Context, c policy.Client, e *event.Event) (v policy.Verdict) {
	if len(d.rejectEvent) == 0 {
		return v
	}
	evt := d.last.convert(e)
	d.conn(c).do(func(ctx context.Context) {
		for _, reject := range d.rejectEvent {
			if no, msg := reject(ctx, evt); no {
				v = refusal(msg)
				return
			}
		}
	})
	return v
}

// Rewrite lets the OverwriteFilter hooks change what is asked for.
func (d *Door) Rewrite(ctx context.Context, c policy.Client, f *event.Filter) *event.Filter {
	if len(d.overwriteFilter) == 0 {
		return f
	}
	nf := toKhatruFilter(f)
	d.conn(c).doFor(policy.SubID(ctx), func(ctx context.Context) {
		for _, overwrite := range d.overwriteFilter {
			overwrite(ctx, &nf)
		}
	})
	out, err := fromKhatruFilter(nf)
	if err != nil {
		return &event.Filter{Kinds: []uint16{}} // it cannot mean any event
	}
	return out
}

// Filter asks the RejectFilter hooks, `limit:0` or not.
func (d *Door) Filter(ctx context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	return d.askFilter(ctx, c, f, d.rejectFilter)
}

// Count asks the RejectCountFilter hooks.
func (d *Door) Count(ctx context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	return d.askFilter(ctx, c, f, d.rejectCountFilter)
}

func (d *Door) askFilter(ctx context.Context, c policy.Client, f *event.Filter, hooks []func(context.Context, nostr.Filter) (bool, string)) (v policy.Verdict) {
	if len(hooks) == 0 {
		return v
	}
	nf := toKhatruFilter(f)
	d.conn(c).doFor(policy.SubID(ctx), func(ctx context.Context) {
		for _, reject := range hooks {
			if no, msg := reject(ctx, nf); no {
				v = refusal(msg)
				return
			}
		}
	})
	return v
}

// Live asks the PreventBroadcast hooks.
func (d *Door) Live(c policy.Client, e *event.Event) (send bool) {
	if len(d.preventBroadcast) == 0 {
		return true
	}
	evt := d.last.convert(e)
	send = true
	cn := d.conn(c)
	cn.do(func(context.Context) {
		for _, prevent := range d.preventBroadcast {
			send = send && !prevent(cn.webSocket(), evt)
		}
	})
	return send
}

// Connect asks RejectConnection and tells OnConnect.
func (d *Door) Connect(_ context.Context, c policy.Client, r *http.Request) policy.Verdict {
	r = trusted(r, c)
	for _, reject := range d.rejectConnection {
		if reject(r) {
			return policy.Refuse(reason.RateLimited, "too many connections")
		}
	}
	cn := d.newConn(c, r)
	d.conns.Store(c.ID(), cn)
	cn.do(func(ctx context.Context) {
		for _, on := range d.onConnect {
			on(ctx)
		}
	})
	return policy.Verdict{}
}

// Disconnect tells OnDisconnect and then ends the connection's context.
func (d *Door) Disconnect(c policy.Client) {
	v, ok := d.conns.LoadAndDelete(c.ID())
	if !ok {
		return
	}
	cn := v.(*conn)
	cn.do(func(ctx context.Context) {
		for _, on := range d.onDisconnect {
			on(ctx)
		}
	})
	cn.cancel()
}

// Authenticated makes an AUTH known to hooks that wait for it.
func (d *Door) Authenticated(c policy.Client) { d.conn(c).identify() }

// Saved tells OnEventSaved or OnEphemeralEvent.
func (d *Door) Saved(c policy.Client, e *event.Event) {
	hooks := d.onEventSaved
	if event.Ephemeral(e.Kind) {
		hooks = d.onEphemeralEvent
	}
	if len(hooks) == 0 {
		return
	}
	evt := d.last.convert(e)
	d.conn(c).do(func(ctx context.Context) {
		for _, on := range hooks {
			on(ctx, evt)
		}
	})
}
