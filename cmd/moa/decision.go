package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
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
	doBlock   = "block"   // clients at an address or network may not connect
	doApprove = "approve" // what a newcomer writes is let in, and what of theirs waits
	doUndo    = "undo"    // what is decided is taken back
)

// decision is one as the control socket has it. It is about an author, an event, or an
// address.
type decision struct {
	At      int64         `json:"at"` // Unix seconds
	Do      string        `json:"do"`
	Author  *event.PubKey `json:"author,omitempty"`
	Event   *event.ID     `json:"event,omitempty"`
	Address *netip.Prefix `json:"address,omitempty"` // of its At nothing is known
	Until   int64         `json:"until,omitempty"`   // of a ban, Unix seconds; 0: for good
	Hidden  bool          `json:"hidden,omitempty"`  // of a ban: what the author has written is shown to nobody
	Purge   bool          `json:"purge,omitempty"`   // of a ban: what the author has written is removed from the store
	Note    string        `json:"note,omitempty"`    // for operators
}

// about is what the decision is about, and its name; "": not exactly one thing.
func (d *decision) about() (what, name string) {
	n := 0
	if d.Author != nil {
		what, name = "author", d.Author.String()
		n++
	}
	if d.Event != nil {
		what, name = "event", d.Event.String()
		n++
	}
	if d.Address != nil {
		what, name = "address", d.Address.String()
		n++
	}
	if n != 1 {
		return "", ""
	}
	return what, name
}

// removes reports that events are removed: an undo does not bring them back.
func (d *decision) removes() bool { return d.Do == doDelete || d.Do == doBan && d.Purge }

// make has the desk decide so, and returns how many events were removed.
func (d *decision) make(ctx context.Context, desk *desk.Desk, by state.Actor) (removed int, err error) {
	what, _ := d.about()
	switch d.Do + " " + what {
	case doBan + " author":
		return desk.BanAuthor(ctx, by, *d.Author, state.Ban{Until: d.Until, Hidden: d.Hidden, Why: d.Note}, d.Purge)
	case doDismiss + " author":
		return 0, desk.DismissReports(ctx, by, *d.Author, d.Note)
	case doApprove + " author":
		return 0, desk.ApproveAuthor(ctx, by, *d.Author, d.Note)
	case doApprove + " event":
		return 0, desk.ApproveEvent(ctx, by, *d.Event, d.Note)
	case doUndo + " author":
		return 0, desk.UndoAuthor(ctx, by, *d.Author, d.Note)
	case doHide + " event":
		return 0, desk.HideEvent(ctx, by, *d.Event, d.Note)
	case doDelete + " event":
		return desk.RemoveEvent(ctx, by, *d.Event, d.Note)
	case doUndo + " event":
		return 0, desk.AllowEvent(ctx, by, *d.Event, d.Note)
	case doBlock + " address":
		return 0, desk.BlockAddress(ctx, by, *d.Address, d.Note)
	case doUndo + " address":
		return 0, desk.UnblockAddress(ctx, by, *d.Address, d.Note)
	}
	return 0, fmt.Errorf("%w: %q is done to no %q; it is about one author, event or address", state.ErrRequest, d.Do, what)
}

// decisions are those in force, blocked addresses first and then the newest last: bans
// that hold, hidden and removed events, approved authors, and reports that were dismissed and would still
// count.
func decisions(ctx context.Context, desk *desk.Desk) ([]decision, error) {
	list := []decision{}
	for _, b := range desk.BlockedAddresses() {
		list = append(list, decision{Do: doBlock, Address: &b.Prefix, Note: b.Why})
	}
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
	approved, err := desk.ApprovedAuthors(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range approved {
		list = append(list, decision{At: a.At, Do: doApprove, Author: &a.Author, Note: a.Why})
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
