package relay

import (
	"context"
	"slices"
	"time"

	"moa/nips/event"
	"moa/nips/nip66"
	"moa/policy"
)

const (
	// selfRetry is how long after a failure the event about the relay is tried
	// again.
	selfRetry = time.Hour
	// selfPushTime is how long another relay may take to accept it.
	selfPushTime = 15 * time.Second
)

// selfPublisher keeps the event about the relay (NIP-66) up to date: in the
// relay's own store, where nobody but its key can replace it, and on the other
// relays that the configuration names.
type selfPublisher struct {
	// Fixed once made.
	*shared
	describe func(*settings) (event.Event, error)              // as it is now, neither dated nor signed
	submit   func(*settings, *event.Event) error               // to the relay itself; returns when it is durable
	pushTo   func(context.Context, string, *event.Event) error // another relay; nil: to none
	// again is told of a reload. Full: one is told already.
	again chan struct{}

	// Owned by run.
	pushed map[string]event.ID // what each of the other relays has accepted
}

// run works until ctx ends.
func (p *selfPublisher) run(ctx context.Context) {
	p.pushed = map[string]event.ID{}
	for {
		st := p.settings.Load()
		wait := selfRetry
		if due, err := p.update(ctx, st); err != nil && ctx.Err() != nil {
			return // the shutdown came first
		} else if err != nil {
			p.log.Error("the event about the relay cannot be published", "err", err)
		} else if p.push(ctx, st) {
			wait = due
		} else {
			wait = min(due, selfRetry)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.again:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// wake has the event looked at again, after a reload.
func (p *selfPublisher) wake() {
	if p == nil {
		return
	}
	select {
	case p.again <- struct{}{}:
	default:
	}
}

// update stores the event if what is stored says something else or is too old,
// and returns when it is to be signed again.
func (p *selfPublisher) update(ctx context.Context, st *settings) (due time.Duration, err error) {
	e, err := p.describe(st)
	if err != nil {
		return 0, err
	}
	old, err := p.ownStored(ctx, nip66.KindDiscovery, e.Tags[0][1])
	if err != nil {
		return 0, err
	}
	now := p.now().Unix()
	every := st.cfg.Self.Every
	if old != nil && old.Content == e.Content && slices.EqualFunc(old.Tags, e.Tags, slices.Equal[event.Tag]) {
		if age := time.Duration(now-old.CreatedAt) * time.Second; age < every {
			return every - max(age, 0), nil
		}
	}
	e.CreatedAt = now
	if old != nil {
		e.CreatedAt = max(now, old.CreatedAt+1) // of two of one second, the id would decide
	}
	signed, err := p.identity.Sign(e)
	if err != nil {
		return 0, err
	}
	return every, p.submit(st, signed)
}

// push sends the event to the other relays that do not have it, one after the
// other, and reports whether all have it now.
func (p *selfPublisher) push(ctx context.Context, st *settings) (all bool) {
	if p.pushTo == nil || len(st.cfg.Self.Relays) == 0 {
		return true
	}
	at, err := nip66.NormalURL(st.cfg.URL)
	if err != nil {
		return false
	}
	e, err := p.ownStored(ctx, nip66.KindDiscovery, at)
	if err != nil || e == nil {
		return false
	}
	all = true
	for _, url := range st.cfg.Self.Relays {
		if p.pushed[url] == e.ID {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, selfPushTime)
		err := policy.Safely(func() error { return p.pushTo(ctx, url, e) })
		cancel()
		if err != nil {
			p.log.Warn("another relay does not take the event about this one", "relay", url, "err", err, policy.Stack(err))
			all = false
			continue
		}
		p.pushed[url] = e.ID
		p.log.Info("another relay has the event about this one", "relay", url, "id", e.ID)
	}
	return all
}
