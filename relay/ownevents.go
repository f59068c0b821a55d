package relay

import (
	"context"
	"errors"
	"slices"

	"moa/nips/event"
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
