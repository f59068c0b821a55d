package main

import (
	"context"
	"time"

	"moa/nips/event"
	"moa/relay/desk"
)

// openDesk opens the desk on the state. It reaches the server once that is made.
func (in *instance) openDesk() {
	in.desk = desk.New(desk.Deps{
		State: in.state, Log: in.log, Stored: in.stored, Reports: in.force.reports, Changed: in.changed,
		Remove:  func(ctx context.Context, ids []event.ID) (int, error) { return in.server.Remove(ctx, ids) },
		Publish: func(ctx context.Context, e event.Event) error { return in.server.Publish(ctx, e) },
		Self:    in.self, Members: in.memberRules,
	})
}

// memberRules is desk.Deps.Members.
func (in *instance) memberRules() desk.MemberRules {
	m := in.members.Load()
	return desk.MemberRules{Publish: m.Enabled && in.identity != nil, PublishMost: m.PublishMost, Invites: m.Invites, InviteFor: m.InviteFor}
}

// changePatience is how long a decision waits for what is under way, which takes longer
// only where the disk hangs or the relay ends.
const changePatience = 10 * time.Second

// changed is desk.Deps.Changed.
func (in *instance) changed() {
	ctx, cancel := context.WithTimeout(context.Background(), changePatience)
	defer cancel()
	in.server.Decided(ctx)
}
