package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"moa/nips/event"
	"moa/store/state"
)

// Known is what is known of a person, the events that they have made aside.
type Known struct {
	PubKey event.PubKey      `json:"pubkey"`
	Member *state.Membership `json:"member,omitempty"` // nil: no member
	Ban    *state.Ban        `json:"ban,omitempty"`    // nil: not banned
	// Approved: what they write need not wait for approval.
	Approved bool           `json:"approved,omitempty"`
	Waiting  []event.ID     `json:"waiting,omitempty"` // what they have written and waits for approval
	Invites  []state.Invite `json:"invites,omitempty"` // that they have made
	Invited  []event.PubKey `json:"invited,omitempty"` // the members that they have invited
	Changes  []state.Change `json:"changes,omitempty"` // about them and by them, the newest first
	// Closed is up to when reports about them are closed, Unix seconds; 0: none are.
	Closed int64      `json:"reports_closed_until,omitempty"`
	Hidden []event.ID `json:"hidden,omitempty"` // of their stored events, those that operators hide
	// Reports are the stored ones about them (NIP-56), the newest first. ReportsMore: there
	// are more than an export has.
	Reports     []json.RawMessage `json:"reports,omitempty"`
	ReportsMore bool              `json:"reports_more,omitempty"`
}

// An export has at most so many reports, and bytes of them: anybody may report somebody.
const (
	exportReports     = 1000
	exportReportBytes = 16 << 20
)

// exportPage is how much of a list is read at a time.
const exportPage = 1000

// Export returns all that is known of a person.
func (d *Desk) Export(ctx context.Context, pk event.PubKey) (k Known, err error) {
	k.PubKey = pk
	if m, is, err := d.deps.State.Membership(ctx, pk); err != nil {
		return k, fmt.Errorf("read the membership: %w", err)
	} else if is {
		k.Member = &m
	}
	a := d.deps.State.Author(pk)
	if k.Closed = a.Closed; a.Banned {
		k.Ban = &a.Ban
	}
	k.Approved = a.Approved
	for _, w := range d.deps.State.Waiting(func(w *state.Waiting) bool { return w.Event.PubKey == pk }) {
		k.Waiting = append(k.Waiting, w.Event.ID)
	}
	k.Invites, err = everyPage(func(before int64) ([]state.Invite, error) {
		return d.deps.State.Invites(ctx, &pk, before, exportPage)
	}, func(i *state.Invite) int64 { return i.Nth })
	if err != nil {
		return k, fmt.Errorf("read the invites: %w", err)
	}
	invited, err := everyPage(func(before int64) ([]state.Membership, error) {
		return d.deps.State.Members(ctx, state.MemberQuery{Inviter: &pk, Before: before, Limit: exportPage})
	}, func(m *state.Membership) int64 { return m.Nth })
	if err != nil {
		return k, fmt.Errorf("read who was invited: %w", err)
	}
	for _, m := range invited {
		k.Invited = append(k.Invited, m.PubKey)
	}
	k.Changes, err = everyPage(func(before int64) ([]state.Change, error) {
		return d.deps.State.ChangesOf(ctx, pk, before, exportPage)
	}, func(c *state.Change) int64 { return c.Nth })
	if err != nil {
		return k, fmt.Errorf("read the audit log: %w", err)
	}
	return k, d.exportEvents(ctx, &k)
}

// exportEvents adds what stored events tell: which are hidden, and what is reported.
func (d *Desk) exportEvents(ctx context.Context, k *Known) error {
	var ruled []event.ID
	for _, r := range d.RuledEvents() {
		ruled = append(ruled, r.ID)
	}
	slices.SortFunc(ruled, event.CompareIDs)
	for some := range slices.Chunk(ruled, exportPage) {
		f := event.Filter{IDs: some, Authors: []event.PubKey{k.PubKey}}
		err := d.deps.Stored(ctx, &f, func(e *event.Event) error {
			k.Hidden = append(k.Hidden, e.ID)
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for hidden events: %w", err)
		}
	}
	f := event.Filter{Kinds: []uint16{event.KindReport}, Tags: []event.TagFilter{{Name: 'p', Values: []string{k.PubKey.String()}}}}
	bytes := 0
	err := d.deps.Stored(ctx, &f, func(e *event.Event) error {
		if bytes += len(e.Raw); len(k.Reports) == exportReports || bytes > exportReportBytes {
			k.ReportsMore = true
			return errEnough
		}
		k.Reports = append(k.Reports, json.RawMessage(e.Raw))
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("read the reports: %w", err)
	}
	return nil
}

// everyPage reads a list to its end, page by page.
func everyPage[T any](page func(before int64) ([]T, error), nth func(*T) int64) (all []T, err error) {
	for before := int64(0); ; {
		some, err := page(before)
		all = append(all, some...)
		if err != nil || len(some) < exportPage {
			return all, err
		}
		before = nth(&some[len(some)-1])
	}
}
