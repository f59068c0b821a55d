package desk

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"moa/nips/event"
	"moa/store/state"
)

// MemberRules are what the configuration says of members.
type MemberRules struct {
	Publish     bool          // say who the members are, by the relay's own key (NIP-43)
	PublishMost int           // of more members no list is published
	Invites     int           // that one member may have open; 0: members invite nobody
	InviteFor   time.Duration // how long an invite of a member holds
}

// administratorInvites is how many invites an administrator may have open that were
// asked for by a REQ.
const administratorInvites = 20

// ErrBanned is returned for somebody who may not become a member.
var ErrBanned = wrong("this key is banned here")

// ErrMayNotInvite is returned for somebody who may make no invites.
var ErrMayNotInvite = wrong("you may invite nobody here")

// AddMember makes somebody a member; Since and Nth do not count. One who is a member
// already gets state.ErrMember, and stays as they are.
func (d *Desk) AddMember(ctx context.Context, by state.Actor, m state.Membership) error {
	if m.PubKey == (event.PubKey{}) {
		return wrong("the member is missing")
	}
	if err := d.deps.State.AddMember(ctx, by, m); err != nil {
		return err
	}
	d.membersChanged(by, "add member", "member", m.PubKey)
	return nil
}

// Admit is AddMember, and lifts a ban. Its reason is that of the ban's end: none is kept of
// a member, as what is known of one must be able to go.
func (d *Desk) Admit(ctx context.Context, by state.Actor, pk event.PubKey, why string) error {
	if d.deps.State.Author(pk).Banned {
		if err := d.UnbanAuthor(ctx, by, pk, why); err != nil {
			return err
		}
	}
	return d.AddMember(ctx, by, state.Membership{PubKey: pk})
}

// AddMembers makes all of them members, or none, and returns how many were added.
func (d *Desk) AddMembers(ctx context.Context, by state.Actor, list []state.Membership) (int, error) {
	added, err := d.deps.State.AddMembers(ctx, by, list)
	if added > 0 {
		d.membersChanged(by, "add members", "members", added)
	}
	return added, err
}

// RemoveMember ends a membership and the invites that the member has made. One who is no
// member stays so.
func (d *Desk) RemoveMember(ctx context.Context, by state.Actor, pk event.PubKey, why string) error {
	if err := d.deps.State.RemoveMember(ctx, by, pk, why); err != nil {
		return err
	}
	d.membersChanged(by, "remove member", "member", pk, "note", why)
	return nil
}

// NoteMember writes down what an operator wants to know of a member; "" forgets it. Of
// somebody who has asked to vanish no note is kept.
func (d *Desk) NoteMember(ctx context.Context, by state.Actor, pk event.PubKey, note string) error {
	if note != "" {
		gone, err := d.vanishedOf(ctx, []event.PubKey{pk})
		if err != nil {
			return err
		}
		if len(gone) > 0 {
			return wrong("this member has asked the relay to forget them: no note is kept")
		}
	}
	return d.deps.State.NoteMember(ctx, by, pk, note)
}

// Claim makes the one that makes the change a member by a code.
func (d *Desk) Claim(ctx context.Context, by state.Actor, code string) error {
	err := d.deps.State.Claim(ctx, by, code, func(i state.Invite) error {
		switch {
		case d.banned(by.Key):
			return ErrBanned
		case d.banned(i.By):
			return state.ErrNoInvite
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.membersMoved(by, "join")
	return nil
}

// Leave ends the membership of the one that makes the change.
func (d *Desk) Leave(ctx context.Context, by state.Actor) error {
	if _, is := d.deps.State.Member(by.Key); !is {
		return state.ErrNoMember
	}
	if err := d.deps.State.Leave(ctx, by); err != nil {
		return err
	}
	d.membersMoved(by, "leave")
	return nil
}

func (d *Desk) banned(pk event.PubKey) bool {
	a := d.deps.State.Author(pk)
	return a.Banned && a.Ban.Holds(d.deps.Now().Unix())
}

// CreateInvite makes an invite of an operator's; an empty code is made up.
func (d *Desk) CreateInvite(ctx context.Context, by state.Actor, i state.Invite) (state.Invite, error) {
	if i.Code == "" {
		i.Code = rand.Text()
	}
	if i.Until != 0 && i.Until <= d.deps.Now().Unix() {
		return i, wrong("the invite would be over: it ends at %s", time.Unix(i.Until, 0).UTC().Format(time.RFC3339))
	}
	return i, d.makeInvite(ctx, by, i, 0)
}

func (d *Desk) makeInvite(ctx context.Context, by state.Actor, i state.Invite, open int) error {
	if err := d.deps.State.CreateInvite(ctx, by, i, open); err != nil {
		return err
	}
	d.logged(by, "create invite", "people", i.Most, "until", i.Until)
	return nil
}

// CancelInvite ends an invite. Those who have come by it stay members.
func (d *Desk) CancelInvite(ctx context.Context, by state.Actor, code string) error {
	if err := d.deps.State.CancelInvite(ctx, by, code); err != nil {
		return err
	}
	d.logged(by, "cancel invite")
	return nil
}

// MemberInvite returns an invite for one person, made by a member or an administrator:
// a new one, or the newest that is open if there are as many as they may have.
func (d *Desk) MemberInvite(ctx context.Context, by state.Actor) (code string, err error) {
	rules := d.deps.Members()
	most := 0
	if _, is := d.deps.State.Member(by.Key); is {
		most = rules.Invites
	}
	if d.deps.Administrator(by.Key) {
		most = max(most, administratorInvites)
	}
	if most == 0 || d.banned(by.Key) {
		return "", ErrMayNotInvite
	}
	open, err := d.deps.State.OpenInvites(ctx, by.Key, most)
	if err != nil {
		return "", fmt.Errorf("look for invites: %w", err)
	}
	if len(open) >= most {
		return open[0].Code, nil
	}
	i := state.Invite{Code: rand.Text(), Most: 1, Until: d.deps.Now().Add(rules.InviteFor).Unix()}
	return i.Code, d.makeInvite(ctx, by, i, most)
}

// membersChanged follows a change of members by an operator.
func (d *Desk) membersChanged(by state.Actor, what string, facts ...any) {
	d.decided(by, what, facts...)
	hint(d.unpublished)
	hint(d.joined)
}

// membersMoved follows a change that a person has made about themselves. It lets what is
// open be asked again at the next look, and not at once: joins cost little.
func (d *Desk) membersMoved(by state.Actor, what string) {
	d.logged(by, what)
	hint(d.unpublished)
	hint(d.joined)
}

// hint leaves a hint; one is enough.
func hint(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default: // it is known
	}
}
