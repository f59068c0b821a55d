package desk

import (
	"context"
	"errors"

	"moa/nips/event"
	"moa/policy"
	"moa/store/state"
)

var _ policy.Waiting = (*Decided)(nil)

var errNotOpen = errors.New("what is decided is not open yet")

// Wait is policy.Waiting.Wait.
func (d *Decided) Wait(ctx context.Context, r policy.WaitRequest) (policy.WaitOutcome, error) {
	if d.State == nil {
		return 0, errNotOpen
	}
	err := d.State.Wait(ctx, r.Event, r.From, r.Until, state.WaitingBounds{Events: r.Events, Bytes: r.Bytes, PerAddress: r.PerAddress, PerAuthor: r.PerAuthor})
	switch {
	case err == nil:
		return policy.Waits, nil
	case errors.Is(err, state.ErrApproved):
		return policy.NeedNotWait, nil
	case errors.Is(err, state.ErrNoRoom):
		return policy.NoRoom, nil
	case errors.Is(err, state.ErrNoShare):
		return policy.NoShare, nil
	case errors.Is(err, state.ErrNewerWait):
		return policy.NewerWaits, nil
	case errors.Is(err, state.ErrDecided):
		return policy.DecidedNo, nil
	}
	return 0, err
}

// Waiting is policy.Waiting.Waiting. What is approved is on its way to the stored events.
func (d *Decided) Waiting(which func(*event.Event) bool) (list []*event.Event) {
	if d.State == nil {
		return nil
	}
	now := d.State.Now()
	for _, w := range d.State.Waiting(func(w *state.Waiting) bool { return !w.Approved && !w.Over(now) && (which == nil || which(w.Event)) }) {
		list = append(list, w.Event)
	}
	return list
}

// Recheck is policy.Waiting.Recheck.
func (d *Decided) Recheck(pk event.PubKey) {
	if d.State != nil {
		d.State.Recheck(pk)
	}
}
