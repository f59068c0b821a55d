package relay

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unique"

	"moa/nips/event"
	"moa/nips/nip66"
	"moa/relay/origin"
	"moa/store"
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
	s *Server
	// again is told of a reload. Full: one is told already.
	again chan struct{}

	// Owned by run.
	pushed map[string]event.ID // what each of the other relays has accepted
}

// run works until ctx ends.
func (p *selfPublisher) run(ctx context.Context) {
	p.pushed = map[string]event.ID{}
	for {
		st := p.s.settings.Load()
		wait := selfRetry
		if due, err := p.update(ctx, st); err != nil && ctx.Err() != nil {
			return // the shutdown came first
		} else if err != nil {
			p.s.log.Error("the event about the relay cannot be published", "err", err)
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
	e, err := p.s.describeSelf(st)
	if err != nil {
		return 0, err
	}
	old, err := p.stored(ctx, e.Tags[0][1])
	if err != nil {
		return 0, err
	}
	now := p.s.now().Unix()
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
	signed, err := p.s.deps.Identity.Sign(e)
	if err != nil {
		return 0, err
	}
	return every, p.s.submitOwn(st, signed)
}

// stored is the event about the relay that is stored, nil if there is none.
func (p *selfPublisher) stored(ctx context.Context, d string) (found *event.Event, err error) {
	scan := p.s.store.Scan(store.Query{Now: p.s.now().Unix(), Filters: []*event.Filter{{
		Authors: []event.PubKey{p.s.deps.Identity.PubKey()}, Kinds: []uint16{nip66.KindDiscovery},
		Tags: []event.TagFilter{{Name: 'd', Values: []string{d}}}, Limit: 1, HasLimit: true,
	}}})
	for {
		progress, err := scan.Next(ctx, onePage, func(r *store.Record) (err error) {
			found, err = r.Event()
			return err
		})
		if err != nil || progress.Done {
			return found, err
		}
	}
}

// submitOwn stores an event of the relay's own and passes it on, as it does
// those of clients. No policy is asked. It returns when the event is durable.
func (s *Server) submitOwn(st *settings, e *event.Event) error {
	c := new(client)
	c.init(&s.shared, origin.Origin{To: unique.Make(origin.Address{})}, newAccount(s.ledger, accountKey{free: true}))
	c.out.Close() // nobody reads the OK
	c.open.Add(1)
	c.tickets.Add(1)
	s.ingest.submit([]ticket{{from: c, e: e, chain: st.chain}})
	c.tickets.Wait()
	if !s.store.Has(e.ID) {
		return fmt.Errorf("relay: its own event %s was not stored", e.ID)
	}
	return nil
}

// push sends the event to the other relays that do not have it, one after the
// other, and reports whether all have it now.
func (p *selfPublisher) push(ctx context.Context, st *settings) (all bool) {
	if p.s.deps.Push == nil || len(st.cfg.Self.Relays) == 0 {
		return true
	}
	at, err := nip66.NormalURL(st.cfg.URL)
	if err != nil {
		return false
	}
	e, err := p.stored(ctx, at)
	if err != nil || e == nil {
		return false
	}
	all = true
	for _, url := range st.cfg.Self.Relays {
		if p.pushed[url] == e.ID {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, selfPushTime)
		err := p.s.deps.Push(ctx, url, e)
		cancel()
		if err != nil {
			p.s.log.Warn("another relay does not take the event about this one", "relay", url, "err", err)
			all = false
			continue
		}
		p.pushed[url] = e.ID
		p.s.log.Info("another relay has the event about this one", "relay", url, "id", e.ID)
	}
	return all
}
