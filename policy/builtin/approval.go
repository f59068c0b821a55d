package builtin

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type approvalConfig struct {
	Exempt     conf.Kinds    `toml:"exempt" comment:"The kinds that do not wait. To delete and to vanish is everybody's right; gift wraps come\nfrom keys that are used once, and nobody but their readers can judge them, as what remote\nsigners say."`
	For        conf.Duration `toml:"for" comment:"How long an event waits; then it is dropped."`
	Events     int           `toml:"events" comment:"Most events that wait at a time."`
	Bytes      int           `toml:"bytes" comment:"Most bytes of them, which are in memory, too. An author and an address, IPv6 by /64, may have an eighth."`
	PerAuthor  int           `toml:"per_author" comment:"Most events of one author."`
	PerAddress int           `toml:"per_address" comment:"Most events from one address, this machine's aside."`
}

var approvalDefaults = approvalConfig{
	Exempt: conf.MustKinds("5, 62, 1059, 21059, 24133"), For: conf.Duration(14 * 24 * time.Hour),
	Events: 2000, Bytes: 8 << 20, PerAuthor: 20, PerAddress: 50,
}

// approval has the events of newcomers wait until a person has approved their author.
type approval struct {
	approvalConfig
	decided   policy.Decided
	members   policy.Members
	waiting   policy.Waiting
	moderates func(event.PubKey) bool
	self      func() event.PubKey
	now       func() time.Time
	log       *slog.Logger
}

func newApproval(env *policy.Env, cfg approvalConfig, bad *conf.Faults) policy.Policy {
	if cfg.For < conf.Duration(time.Minute) {
		bad.Add("for", "%s is less than 1m", cfg.For)
	}
	for _, n := range []struct {
		path         string
		value, least int
	}{{"events", cfg.Events, 1}, {"bytes", cfg.Bytes, 8 << 10}, {"per_author", cfg.PerAuthor, 1}, {"per_address", cfg.PerAddress, 1}} {
		if n.value < n.least {
			bad.Add(n.path, "%d is less than %d", n.value, n.least)
		}
	}
	return &approval{cfg, env.Decided, env.Members, env.Waiting, env.Moderates, env.Self, env.Now, env.Log}
}

// AfterSignature: what waits is written in its author's name.
func (p *approval) AfterSignature() {}

func (p *approval) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	switch {
	case p.Exempt.Has(e.Kind) || !p.newcomer(e.PubKey):
		return policy.Verdict{}
	case event.Ephemeral(e.Kind):
		return policy.Refuse(reason.Restricted, "you are new here: a person must approve you first, and an event of this kind cannot wait for that")
	}
	return policy.Verdict{Action: policy.Wait}
}

func (p *approval) newcomer(pk event.PubKey) bool {
	return !p.decided.Author(pk).Approved && !p.members.Member(pk, "") && !p.moderates(pk) && pk != p.self()
}

// Hold has an event wait.
func (p *approval) Hold(ctx context.Context, c policy.Client, e *event.Event) policy.Verdict {
	r := policy.WaitRequest{
		Event: e, Until: p.now().Add(time.Duration(p.For)).Unix(),
		Events: p.Events, Bytes: p.Bytes, PerAddress: p.PerAddress, PerAuthor: p.PerAuthor,
	}
	if !policy.Local(c) && c.IP().IsValid() {
		net := network(c.IP())
		r.From = netip.AddrFrom16([16]byte(append(net[:], make([]byte, 8)...)))
	}
	switch outcome, err := p.waiting.Wait(ctx, r); {
	case err != nil:
		p.log.Error("an event cannot wait for approval", "event", e.ID, "err", err)
		return policy.Refuse(reason.Error, "the relay cannot keep your event for approval at the moment, try again later")
	case outcome == policy.Waits:
		p.log.Debug("an event waits for approval", "event", e.ID, "author", e.PubKey)
		return policy.Verdict{Action: policy.Wait, Reason: reason.Info, Text: "you are new here: your event is kept, and others see it once a person has approved you"}
	case outcome == policy.NeedNotWait:
		return policy.Verdict{}
	case outcome == policy.NewerWaits:
		return policy.Refuse(reason.Duplicate, "a newer version waits for approval")
	case outcome == policy.NoShare:
		return policy.Refuse(reason.RateLimited, fmt.Sprintf("you are new here, and a person must approve you first: at most %d of your events wait for that, try again later", p.PerAuthor))
	case outcome == policy.NoRoom:
		return policy.Refuse(reason.RateLimited, "too many events of newcomers wait for approval here, try again later")
	}
	return policy.Refuse(reason.Blocked, "the operator of this relay does not take this event")
}
