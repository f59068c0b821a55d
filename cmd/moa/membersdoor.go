package main

import (
	"context"
	"fmt"
	"net/http"

	"moa/nips/event"
	"moa/relay/desk"
	"moa/store/state"
)

// mostMemberChange is the most of a request, in bytes: more than 5000 people take.
const mostMemberChange = 4 << 20

// memberChange is a change of members, roles or invites, as the control socket has it.
type memberChange struct {
	Do      string             `json:"do"`
	Members []state.Membership `json:"members,omitempty"` // to add, or one to note
	Member  *event.PubKey      `json:"member,omitempty"`
	Role    *state.Role        `json:"role,omitempty"`
	Invite  *state.Invite      `json:"invite,omitempty"`
	Why     string             `json:"why,omitempty"`
}

// What a memberChange does.
const (
	doAddMembers   = "add"
	doRemoveMember = "remove"
	doNoteMember   = "note"
	doSetRole      = "set role"
	doDeleteRole   = "delete role"
	doAssign       = "assign"
	doUnassign     = "unassign"
	doInvite       = "invite"
	doCancel       = "cancel"
)

// memberChanged is the answer.
type memberChanged struct {
	Added  int          `json:"added,omitempty"`
	Invite state.Invite `json:"invite,omitzero"` // that was made
}

// make has the desk make the change. What is not there to be ended is an error, for an
// operator that has mistyped a key or a code would take it for ended.
func (c *memberChange) make(ctx context.Context, d *desk.Desk, by state.Actor) (out memberChanged, err error) {
	var pk event.PubKey
	if c.Member != nil {
		pk = *c.Member
	}
	role, invite := state.Role{}, state.Invite{}
	if c.Role != nil {
		role = *c.Role
	}
	if c.Invite != nil {
		invite = *c.Invite
	}
	switch c.Do {
	case doAddMembers:
		out.Added, err = d.AddMembers(ctx, by, c.Members)
	case doRemoveMember:
		if _, is := d.State().Member(pk); !is {
			return out, fmt.Errorf("%w: this is no member", state.ErrRequest)
		}
		err = d.RemoveMember(ctx, by, pk, c.Why)
	case doNoteMember:
		err = d.NoteMember(ctx, by, pk, c.Why)
	case doSetRole:
		set := d.CreateRole
		if _, exists := d.State().Role(role.ID); exists {
			set = d.EditRole
		}
		err = set(ctx, by, role)
	case doDeleteRole:
		if _, exists := d.State().Role(role.ID); !exists {
			return out, fmt.Errorf("%w: there is no role %.64q", state.ErrRequest, role.ID)
		}
		err = d.DeleteRole(ctx, by, role.ID)
	case doAssign:
		err = d.AssignRole(ctx, by, pk, role.ID)
	case doUnassign:
		if m, _ := d.State().Member(pk); !m.Has(role.ID) {
			return out, fmt.Errorf("%w: this is no member with the role %.64q", state.ErrRequest, role.ID)
		}
		err = d.UnassignRole(ctx, by, pk, role.ID)
	case doInvite:
		out.Invite, err = d.CreateInvite(ctx, by, invite)
	case doCancel:
		err = d.CancelInvite(ctx, by, invite.Code)
	default:
		err = fmt.Errorf("%w: %q is nothing that can be done", state.ErrRequest, c.Do)
	}
	return out, err
}

func (c *controller) serveMemberChange(w http.ResponseWriter, r *http.Request) {
	var one memberChange
	if !readJSON(w, r, mostMemberChange, &one) {
		return
	}
	out, err := one.make(r.Context(), c.desk, shell)
	answerChange(w, out, err)
}
