package desk

import (
	"context"
	"fmt"

	"moa/nips/event"
	"moa/store/state"
)

// Known is what is known of a person, their events aside.
type Known struct {
	PubKey  event.PubKey      `json:"pubkey"`
	Member  *state.Membership `json:"member,omitempty"`  // nil: no member
	Ban     *state.Ban        `json:"ban,omitempty"`     // nil: not banned
	Invites []state.Invite    `json:"invites,omitempty"` // that they have made
	Invited []event.PubKey    `json:"invited,omitempty"` // the members that they have invited
	Changes []state.Change    `json:"changes,omitempty"` // about them and by them, the newest first
}

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
	if a := d.deps.State.Author(pk); a.Banned {
		k.Ban = &a.Ban
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
	return k, nil
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
