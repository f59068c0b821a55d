package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"moa/cmd/moa/internal/config"
	"moa/nips/event"
	"moa/relay"
	"moa/relay/desk"
	"moa/relay/manage"
	"moa/store/state"
)

// openDesk opens the desk on the state. It reaches the server once that is made.
func (in *instance) openDesk() {
	in.census = in.newCensus()
	in.desk = desk.New(desk.Deps{
		State: in.state, Log: in.log, Stored: in.stored, Reports: in.force.reports, Changed: in.changed,
		Remove:     func(ctx context.Context, ids []event.ID) (int, error) { return in.server.Remove(ctx, ids) },
		Forget:     func(author event.PubKey) { in.server.Forget(author) },
		Release:    func(ctx context.Context, e *event.Event) (bool, error) { return in.server.Release(ctx, e) },
		Publish:    func(ctx context.Context, e event.Event) error { return in.server.Publish(ctx, e) },
		Connected:  in.connected,
		Disconnect: func(ids []uint64) int { return in.server.Disconnect(ids) },
		Self:       in.self, Members: in.memberRules,
		Administrator: func(pk event.PubKey) bool { return in.rank(pk) == desk.Administrator },
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
	if err := in.server.Describe(); err != nil {
		in.log.Error("the relay cannot describe itself as was decided", "err", err)
	}
}

// manager is the door of signed calls, and of those through the control socket.
func (in *instance) manager() *manage.Door {
	return &manage.Door{Desk: in.desk, Rank: in.rank, Kinds: func() (accepted, refused []uint16) { return in.server.AcceptedKinds() }}
}

func (in *instance) setRanks(cfg *config.Config) {
	ranks := cfg.Ranks()
	in.ranks.Store(&ranks)
}

// rank is what somebody may decide by the configuration in force.
func (in *instance) rank(pk event.PubKey) desk.Rank { return (*in.ranks.Load())[pk] }

// moderates is policy.Env.Moderates.
func (in *instance) moderates(pk event.PubKey) bool { return in.rank(pk).May(desk.Events) }

// overrides is relay.Deps.Settings.
func (in *instance) overrides() (o relay.Overrides) {
	for name, field := range map[string]**string{
		state.SettingName: &o.Name, state.SettingDescription: &o.Description, state.SettingIcon: &o.Icon,
	} {
		if value, set := in.state.Setting(name); set {
			*field = &value
		}
	}
	return o
}

const overriddenText = "a door has set this, it stands over the configuration until it is reset"

// overridden are the keys that are set otherwise than the configuration says.
func overridden(st *state.Store) (keys []string) {
	for name := range st.Settings() {
		keys = append(keys, "info."+name)
	}
	for kind := range st.Kinds() {
		keys = append(keys, fmt.Sprintf("kind:%d", kind))
	}
	slices.Sort(keys)
	return keys
}
