package desk

import (
	"cmp"
	"context"
	"slices"

	"moa/nips/event"
	"moa/store/state"
)

// HideEvent shows an event to nobody, and has it refused if it comes again.
func (d *Desk) HideEvent(ctx context.Context, by state.Actor, id event.ID, why string) error {
	if id == (event.ID{}) {
		return wrong("the event is missing")
	}
	if err := d.deps.State.Rule(ctx, by, id, state.Hide, why); err != nil {
		return err
	}
	d.decided(by, "hide", "event", id, "hidden", true, "deleted", false, "note", why)
	return nil
}

// RemoveEvent is HideEvent, and removes the event from the store and from what waits. It returns how many
// there were; if it could not, Run goes on with it.
func (d *Desk) RemoveEvent(ctx context.Context, by state.Actor, id event.ID, why string) (removed int, err error) {
	if id == (event.ID{}) {
		return 0, wrong("the event is missing")
	}
	waited := d.deps.State.Waits(id)
	if err := d.deps.State.Rule(ctx, by, id, state.Remove, why); err != nil {
		return 0, err
	}
	d.decided(by, "delete", "event", id, "hidden", true, "deleted", true, "note", why)
	removed, err = d.finish(ctx, id.String())
	if waited {
		removed++
	}
	return removed, err
}

// AllowEvent takes back what is decided about an event. One that was removed does not
// come back by itself.
func (d *Desk) AllowEvent(ctx context.Context, by state.Actor, id event.ID, why string) error {
	err := d.lift(ctx, id.String(), func() error { return d.deps.State.Unrule(ctx, by, id, why) })
	if err != nil {
		return err
	}
	d.decided(by, "undo", "event", id, "note", why)
	d.reopened()
	return nil
}

// Ruled is an event about which something is decided.
type Ruled struct {
	ID event.ID
	state.Ruling
}

// RuledEvents are those that are hidden or removed, the newest decision last.
func (d *Desk) RuledEvents() (list []Ruled) {
	for id, r := range d.deps.State.Rulings() {
		list = append(list, Ruled{id, r})
	}
	slices.SortFunc(list, func(a, b Ruled) int {
		return cmp.Or(cmp.Compare(a.At, b.At), event.CompareIDs(a.ID, b.ID))
	})
	return list
}
