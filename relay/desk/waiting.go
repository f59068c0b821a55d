package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"moa/nips/event"
	"moa/store/state"
)

// tendEvery is how often it is looked whether the time of what waits is over.
const tendEvery = time.Minute

// Waiting are the events that wait for a person to approve them, what waits longest first.
func (d *Desk) Waiting() []*state.Waiting {
	now := d.deps.Now().Unix()
	return d.deps.State.Waiting(func(w *state.Waiting) bool { return !w.Approved && !w.Over(now) })
}

// ApproveAuthor lets in what an author writes from now on, and what of theirs waits.
func (d *Desk) ApproveAuthor(ctx context.Context, by state.Actor, pk event.PubKey, why string) error {
	return d.approve(ctx, by, pk, event.ID{}, why)
}

// ApproveEvent is ApproveAuthor for the author of an event that waits.
func (d *Desk) ApproveEvent(ctx context.Context, by state.Actor, id event.ID, why string) error {
	list := d.deps.State.Waiting(func(w *state.Waiting) bool { return w.Event.ID == id })
	if len(list) == 0 {
		return wrong("no such event waits for approval")
	}
	return d.approve(ctx, by, list[0].Event.PubKey, id, why)
}

func (d *Desk) approve(ctx context.Context, by state.Actor, pk event.PubKey, id event.ID, why string) error {
	if pk == (event.PubKey{}) {
		return wrong("the author is missing")
	}
	if err := d.deps.State.ApproveAuthor(ctx, by, pk, id, why); err != nil {
		return err
	}
	facts := []any{"author", pk, "note", why}
	if (id != event.ID{}) {
		facts = append(facts, "event", id)
	}
	d.decided(by, "approve", facts...)
	_, err := d.finish(ctx, pk.String())
	return err
}

// ApprovedAuthors are those whose events need not wait.
func (d *Desk) ApprovedAuthors(ctx context.Context) ([]state.Approval, error) {
	return d.deps.State.Approvals(ctx)
}

// release has stored what waits of an approved author.
func (d *Desk) release(ctx context.Context, pk event.PubKey) error {
	for _, w := range d.deps.State.Waiting(func(w *state.Waiting) bool { return w.Approved && w.Event.PubKey == pk }) {
		stored, err := d.deps.Release(ctx, w.Event)
		if err != nil {
			return fmt.Errorf("store an approved event: %w", err)
		}
		if !stored {
			d.deps.Log.Info("moderation: an approved event was not stored: it has expired, or was deleted, or a newer version is there", "event", w.Event.ID)
		}
		if err := d.deps.State.DropWaiting(ctx, w.Event.ID); err != nil {
			return err
		}
	}
	return nil
}

// tender keeps what waits in line with what its authors do, until ctx ends: what they have
// deleted waits no longer, nor what is older than their wish to vanish; and members wait
// for nobody.
func (d *Desk) tender(ctx context.Context) {
	for _, w := range d.deps.State.Waiting(nil) { // it may have been missed
		d.deps.State.Recheck(w.Event.PubKey)
	}
	for {
		if err := d.tend(ctx); err != nil && ctx.Err() == nil {
			d.deps.Log.Error("events that wait for approval cannot be looked after", "err", err)
		}
		select {
		case <-d.deps.State.Rechecks():
		case <-d.joined:
		case <-time.After(tendEvery):
		case <-ctx.Done():
			return
		}
	}
}

func (d *Desk) tend(ctx context.Context) error {
	now := d.deps.Now().Unix()
	var over []event.ID
	newMembers := map[event.PubKey]bool{}
	for _, w := range d.deps.State.Waiting(func(w *state.Waiting) bool { return !w.Approved }) {
		if w.Over(now) {
			over = append(over, w.Event.ID)
		} else if _, is := d.deps.State.Member(w.Event.PubKey); is {
			newMembers[w.Event.PubKey] = true
		}
	}
	err := d.deps.State.DropWaiting(ctx, over...)
	for _, pk := range d.deps.State.ToRecheck() {
		if failed := d.lookAgain(ctx, pk); failed != nil {
			d.deps.State.RecheckLater(pk)
			err = errors.Join(err, failed)
		}
	}
	for pk := range newMembers {
		err = errors.Join(err, d.ApproveAuthor(ctx, state.Actor{Door: "members"}, pk, ""))
	}
	return err
}

// lookAgain drops what its author has deleted, or has asked to forget.
func (d *Desk) lookAgain(ctx context.Context, pk event.PubKey) error {
	vanished := int64(-1)
	err := d.deps.Stored(ctx, &event.Filter{Authors: []event.PubKey{pk}, Kinds: []uint16{event.KindVanish}}, func(e *event.Event) error {
		vanished = max(vanished, e.CreatedAt)
		return nil
	})
	if err != nil {
		return err
	}
	var gone []event.ID
	for _, w := range d.deps.State.Waiting(func(w *state.Waiting) bool { return w.Event.PubKey == pk }) {
		out := w.Event.CreatedAt <= vanished
		if !out {
			if out, err = d.deleted(ctx, w.Event); err != nil {
				return err
			}
		}
		if out {
			gone = append(gone, w.Event.ID)
		}
	}
	return d.deps.State.DropWaiting(ctx, gone...)
}

// deleted reports an event that its author has deleted.
func (d *Desk) deleted(ctx context.Context, e *event.Event) (yes bool, err error) {
	filters := []event.Filter{{Tags: []event.TagFilter{{Name: 'e', Values: []string{e.ID.String()}}}}}
	if at, ok := e.Address(); ok {
		filters = append(filters, event.Filter{Since: e.CreatedAt, Tags: []event.TagFilter{{Name: 'a', Values: []string{at.String()}}}})
	}
	for _, f := range filters {
		f.Authors, f.Kinds = []event.PubKey{e.PubKey}, []uint16{event.KindDeletion}
		err := d.deps.Stored(ctx, &f, func(*event.Event) error { return errEnough })
		switch {
		case errors.Is(err, errEnough):
			return true, nil
		case err != nil:
			return false, err
		}
	}
	return false, nil
}
