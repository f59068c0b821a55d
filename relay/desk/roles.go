package desk

import (
	"context"

	"moa/nips/event"
	"moa/store/state"
)

// CreateRole makes a role that is not there yet.
func (d *Desk) CreateRole(ctx context.Context, by state.Actor, r state.Role) error {
	if err := d.deps.State.CreateRole(ctx, by, r); err != nil {
		return err
	}
	d.membersChanged(by, "create role", "role", r.ID)
	return nil
}

// EditRole replaces all that is said of a role.
func (d *Desk) EditRole(ctx context.Context, by state.Actor, r state.Role) error {
	if err := d.deps.State.EditRole(ctx, by, r); err != nil {
		return err
	}
	d.membersChanged(by, "edit role", "role", r.ID)
	return nil
}

// DeleteRole deletes a role; nobody has it any more.
func (d *Desk) DeleteRole(ctx context.Context, by state.Actor, id string) error {
	if err := d.deps.State.DeleteRole(ctx, by, id); err != nil {
		return err
	}
	d.membersChanged(by, "delete role", "role", id)
	return nil
}

// AssignRole gives a member a role.
func (d *Desk) AssignRole(ctx context.Context, by state.Actor, pk event.PubKey, id string) error {
	if err := d.deps.State.AssignRole(ctx, by, pk, id); err != nil {
		return err
	}
	d.membersChanged(by, "assign role", "member", pk, "role", id)
	return nil
}

// UnassignRole takes a role away from a member.
func (d *Desk) UnassignRole(ctx context.Context, by state.Actor, pk event.PubKey, id string) error {
	if err := d.deps.State.UnassignRole(ctx, by, pk, id); err != nil {
		return err
	}
	d.membersChanged(by, "unassign role", "member", pk, "role", id)
	return nil
}
