package desk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"moa/nips/event"
	"moa/policy/moderation"
	"moa/store/state"
)

// Reported is an event that was reported, or waits for approval, and about which nothing is
// decided yet.
type Reported struct {
	ID     event.ID
	Author event.PubKey
	Why    string // how often its author was reported, by NIP-56's words; or that it waits
}

// OpenEvents are those that are reported and those that wait for approval, sorted by id.
func (d *Desk) OpenEvents() (list []Reported) {
	for _, w := range d.Waiting() {
		list = append(list, Reported{w.Event.ID, w.Event.PubKey, fmt.Sprintf("waits for approval: kind %d of a newcomer", w.Event.Kind)})
	}
	if r := d.deps.Reports(); r != nil {
		for _, c := range r.Cases() {
			for _, id := range d.undecided(&c) {
				if !d.deps.State.Waits(id) {
					list = append(list, Reported{id, c.Author, reportedFor(c.What)})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b Reported) int { return event.CompareIDs(a.ID, b.ID) })
	return list
}

// Cases are the authors that are reported, each with the reported events about which nothing
// is decided yet.
func (d *Desk) Cases() (list []moderation.Case) {
	r := d.deps.Reports()
	if r == nil {
		return nil
	}
	for _, c := range r.Cases() {
		c.Events = d.undecided(&c)
		list = append(list, c)
	}
	return list
}

// Reported finds those of some events that are stored, hidden or not.
func (d *Desk) Reported(ctx context.Context, ids []event.ID) (map[event.ID]*event.Event, error) {
	found := map[event.ID]*event.Event{}
	if len(ids) == 0 {
		return found, nil
	}
	err := d.deps.Stored(ctx, &event.Filter{IDs: ids}, func(e *event.Event) error {
		found[e.ID] = e
		return nil
	})
	return found, err
}

func (d *Desk) undecided(c *moderation.Case) []event.ID {
	return slices.DeleteFunc(slices.Clone(c.Events), func(id event.ID) bool { return d.deps.State.Ruling(id) != state.Ruling{} })
}

func reportedFor(what map[string]int) string {
	var parts []string
	for _, word := range slices.Sorted(maps.Keys(what)) {
		parts = append(parts, fmt.Sprintf("%s %d", word, what[word]))
	}
	return "reported: " + strings.Join(parts, ", ")
}

// ClearEvent is ApproveEvent for an event that waits. Of others it is AllowEvent, and closes what is reported about the author of an event that
// is reported. Reports are closed by author, so other events of the same author must be
// decided before.
func (d *Desk) ClearEvent(ctx context.Context, by state.Actor, id event.ID, why string) error {
	if d.deps.State.Waits(id) {
		return d.ApproveEvent(ctx, by, id, why)
	}
	if (d.deps.State.Ruling(id) != state.Ruling{}) {
		return d.AllowEvent(ctx, by, id, why)
	}
	r := d.deps.Reports()
	if r == nil {
		return nil
	}
	for _, c := range r.Cases() {
		open := d.undecided(&c)
		switch {
		case !slices.Contains(open, id):
		case len(open) > 1:
			return wrong("%d other events of the same author are reported: decide about them first", len(open)-1)
		default:
			return d.DismissReports(ctx, by, c.Author, why)
		}
	}
	return nil
}
