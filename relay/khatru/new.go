package khatru

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/fiatjaf/khatru"
)

// New opens a door to rl's hooks. Close ends what it does in the background.
func New(rl *khatru.Relay, o Options) (*Door, error) {
	if err := refused(rl); err != nil {
		return nil, err
	}
	keys, err := askForKeys()
	if err != nil {
		return nil, err
	}
	if o.URL == "" {
		o.URL = rl.ServiceURL
	}
	if o.URL == "" && len(o.Admins) > 0 {
		return nil, errors.New("khatru: Options.Admins needs Options.URL: the relay's public URL, for which management calls are signed")
	}
	d := &Door{rl: rl, o: o, keys: keys, mint: newMint(), hooks: hooks{
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
		overwriteInfo:     slices.Clone(rl.OverwriteRelayInformation),
	}}
	if err := d.mint.prove(); err != nil {
		return nil, err
	}
	d.life, d.end = context.WithCancel(context.Background())
	d.backlog.run, d.backlog.maxWait = d.runSaved, maxBacklogWait
	return d, nil
}

// refused names the hooks that moa's engine has no place for.
func refused(rl *khatru.Relay) error {
	var errs []error
	for _, hook := range []struct {
		name string
		n    int
	}{
		{"StoreEvent", len(rl.StoreEvent)},
		{"ReplaceEvent", len(rl.ReplaceEvent)},
		{"DeleteEvent", len(rl.DeleteEvent)},
		{"QueryEvents", len(rl.QueryEvents)},
		{"CountEvents", len(rl.CountEvents)},
		{"CountEventsHLL", len(rl.CountEventsHLL)},
		{"OverwriteDeletionOutcome", len(rl.OverwriteDeletionOutcome)},
		{"OverwriteResponseEvent", len(rl.OverwriteResponseEvent)},
	} {
		if hook.n > 0 {
			errs = append(errs, fmt.Errorf("khatru: %s has hooks, but moa stores and serves the events itself: remove them", hook.name))
		}
	}
	if router := reflect.ValueOf(rl).Elem().FieldByName("getSubRelayFromEvent"); router.IsValid() && !router.IsNil() {
		errs = append(errs, errors.New("khatru: a khatru.Router has relays of its own, which moa cannot serve: pass one plain relay"))
	}
	return errors.Join(errs...)
}
