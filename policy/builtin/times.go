package builtin

import (
	"context"
	"fmt"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type timesConfig struct {
	Oldest conf.Duration `toml:"oldest" comment:"How far back created_at may lie. 0: any time." example:"\"365d\""`
	Newest conf.Duration `toml:"newest" comment:"How far ahead created_at may lie. 0: any time. This policy is in every chain,\nwith these defaults, unless a table uses it."`
	Wraps  conf.Duration `toml:"wraps" comment:"How far back it may lie, at the least, for seals and gift wraps: clients\nput it up to two days into the past on purpose (NIP-59)."`
	Kinds  conf.Kinds    `toml:"kinds" comment:"The kinds that this is for. Empty: all."`
	Exempt conf.Kinds    `toml:"exempt" comment:"The kinds that may be as old as they like: profiles and lists often are. Not even they\nmay be from the future: nothing could replace them until then."`
}

var timesDefaults = timesConfig{
	Newest: conf.Duration(15 * time.Minute),
	Wraps:  conf.Duration(49 * time.Hour), // two days, and an hour for slow clocks and lines
	Exempt: conf.MustKinds("0, 3, 10000-19999, 30000-39999"),
}

var wrapKinds = conf.MustKinds("13, 1059, 1060, 21059")

// times refuses events whose created_at is too far away.
type times struct {
	timesConfig
	now func() time.Time
}

func newTimes(env *policy.Env, cfg timesConfig, _ *conf.Faults) policy.Policy {
	return &times{cfg, env.Now}
}

func (p *times) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if len(p.Kinds) > 0 && !p.Kinds.Has(e.Kind) {
		return policy.Verdict{}
	}
	now := p.now().Unix()
	if p.Newest > 0 && e.CreatedAt > now+p.Newest.Seconds() {
		return policy.Refuse(reason.Invalid, fmt.Sprintf("created_at lies more than %s in the future; is the clock right?", p.Newest))
	}
	oldest := p.Oldest
	if p.Exempt.Has(e.Kind) {
		oldest = 0
	}
	if oldest > 0 && wrapKinds.Has(e.Kind) {
		oldest = max(oldest, p.Wraps)
	}
	if oldest > 0 && e.CreatedAt < now-oldest.Seconds() {
		return policy.Refuse(reason.Invalid, fmt.Sprintf("created_at lies more than %s in the past", oldest))
	}
	return policy.Verdict{}
}

func (p *times) Limits() policy.Limits {
	if len(p.Kinds) > 0 {
		return policy.Limits{}
	}
	return policy.Limits{OldestCreatedAt: time.Duration(p.Oldest), NewestCreatedAt: time.Duration(p.Newest)}
}
