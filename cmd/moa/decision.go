package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"moa/nips/event"
	"moa/relay/desk"
	"moa/store/state"
)

// What an operator decides at the control socket.
const (
	doDismiss = "dismiss" // the reports about an author are closed
	doBan     = "ban"     // an author's events are refused
	doHide    = "hide"    // an event is shown to nobody, and refused if it comes again
	doDelete  = "delete"  // the same, and it is removed from the store
	doUndo    = "undo"    // what is decided about the author or event is taken back
)

// decision is one as the control socket has it, about an author or about an event.
type decision struct {
	At     int64         `json:"at"` // Unix seconds
	Do     string        `json:"do"`
	Author *event.PubKey `json:"author,omitempty"`
	Event  *event.ID     `json:"event,omitempty"`
	Until  int64         `json:"until,omitempty"`  // of a ban, Unix seconds; 0: for good
	Hidden bool          `json:"hidden,omitempty"` // of a ban: what the author has written is shown to nobody
	Purge  bool          `json:"purge,omitempty"`  // of a ban: what the author has written is removed from the store
	Note   string        `json:"note,omitempty"`   // for operators
}

// removes reports that events are removed: an undo does not bring them back.
func (d *decision) removes() bool { return d.Do == doDelete || d.Do == doBan && d.Purge }

// make has the desk decide so, and returns how many events were removed.
func (d *decision) make(ctx context.Context, desk *desk.Desk, by state.Actor) (removed int, err error) {
	if (d.Author == nil) == (d.Event == nil) {
		return 0, fmt.Errorf("%w: it is about an author or about an event", state.ErrRequest)
	}
	about := d.Do + " author"
	if d.Event != nil {
		about = d.Do + " event"
	}
	switch about {
	case doBan + " author":
		return desk.BanAuthor(ctx, by, *d.Author, state.Ban{Until: d.Until, Hidden: d.Hidden, Why: d.Note}, d.Purge)
	case doDismiss + " author":
		return 0, desk.DismissReports(ctx, by, *d.Author, d.Note)
	case doUndo + " author":
		return 0, desk.UndoAuthor(ctx, by, *d.Author, d.Note)
	case doHide + " event":
		return 0, desk.HideEvent(ctx, by, *d.Event, d.Note)
	case doDelete + " event":
		return desk.RemoveEvent(ctx, by, *d.Event, d.Note)
	case doUndo + " event":
		return 0, desk.AllowEvent(ctx, by, *d.Event, d.Note)
	}
	return 0, fmt.Errorf("%w: %q cannot be done", state.ErrRequest, about)
}

// decisions are those in force, the newest last: bans that hold, hidden and removed
// events, and reports that were dismissed and would still count.
func decisions(ctx context.Context, desk *desk.Desk) ([]decision, error) {
	list := []decision{}
	banned := map[event.PubKey]bool{}
	for _, b := range desk.BannedAuthors() {
		banned[b.Author] = true
		list = append(list, decision{At: b.At, Do: doBan, Author: &b.Author, Until: b.Until, Hidden: b.Hidden, Purge: b.Erase, Note: b.Why})
	}
	for _, r := range desk.RuledEvents() {
		do := doHide
		if r.Do == state.Remove {
			do = doDelete
		}
		list = append(list, decision{At: r.At, Do: do, Event: &r.ID, Note: r.Why})
	}
	dismissed, err := desk.Dismissals(ctx)
	for _, d := range dismissed {
		if !banned[d.Author] {
			list = append(list, decision{At: d.At, Do: doDismiss, Author: &d.Author, Note: d.Why})
		}
	}
	slices.SortStableFunc(list, func(a, b decision) int { return cmp.Compare(a.At, b.At) })
	return list, err
}
