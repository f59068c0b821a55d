package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"moa/nips/event"
	"moa/store"
)

// ErrNoKey says that the relay has no key of its own to sign by.
var ErrNoKey = errors.New("relay: it has no key of its own")

// Publish signs an event by the relay's own key, stores it and hands it to the live
// subscriptions. No policy is asked. It returns when the event is durable. Published
// again, the same event changes nothing; one that is replaced by its like is signed
// only if it says something else than the one that is stored, and dated after that.
func (s *Server) Publish(ctx context.Context, e event.Event) error {
	if s.identity == nil {
		return ErrNoKey
	}
	st := s.settings.Load()
	if !event.Replaceable(e.Kind) && !event.Addressable(e.Kind) {
		return s.publishOnce(st, e)
	}
	d := ""
	for _, t := range e.Tags {
		if t[0] == "d" && len(t) > 1 {
			d = t[1]
			break
		}
	}
	old, err := s.ownStored(ctx, e.Kind, d)
	if err != nil {
		return err
	}
	e.CreatedAt = s.now().Unix()
	if old != nil {
		if old.Content == e.Content && slices.EqualFunc(old.Tags, e.Tags, slices.Equal[event.Tag]) {
			return nil
		}
		e.CreatedAt = max(e.CreatedAt, old.CreatedAt+1) // of two of one second, the id would decide
	}
	err = s.publishOnce(st, e)
	if err != nil && old == nil { // what it follows may have been deleted in this second
		e.CreatedAt++
		err = s.publishOnce(st, e)
	}
	return err
}

func (s *Server) publishOnce(st *settings, e event.Event) error {
	signed, err := s.identity.Sign(e)
	if err != nil || s.store.Has(signed.ID) {
		return err
	}
	return s.submitOwn(st, signed)
}

// ownStored is the event of the relay's own at that address that is stored, nil if
// there is none.
func (s *shared) ownStored(ctx context.Context, kind uint16, d string) (found *event.Event, err error) {
	f := &event.Filter{Authors: []event.PubKey{s.identity.PubKey()}, Kinds: []uint16{kind}, Limit: 1, HasLimit: true}
	if event.Addressable(kind) {
		f.Tags = []event.TagFilter{{Name: 'd', Values: []string{d}}}
	}
	q := store.Query{Now: s.now().Unix(), Filters: []*event.Filter{f}}
	err = store.Each(ctx, s.store, q, func(r *store.Record) (err error) {
		found, err = r.Event()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("relay: look for its own event of kind %d: %w", kind, err)
	}
	return found, nil
}
