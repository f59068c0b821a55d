package builtin

import (
	"context"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type allowConfig struct {
	peopleConfig
	Kinds   conf.Kinds `toml:"kinds" comment:"Only these kinds are for the people above; others pass. Empty: all are."`
	Exempt  conf.Kinds `toml:"exempt" comment:"The kinds that anybody may write. A request to vanish must get through (NIP-62)."`
	About   conf.Kinds `toml:"about" comment:"The kinds that anybody may write if a p or P tag names one of the people: zap\nreceipts, gift wraps, replies, comments in their threads." example:"\"9735, 1059\""`
	Forward bool       `toml:"forward" comment:"These people, once they have authenticated (NIP-42), may also bring events of others."`
	Message string     `toml:"message" comment:"What those who are refused are told. Empty: a plain sentence."`
}

var allowDefaults = allowConfig{peopleConfig: peopleDefaults, Exempt: conf.MustKinds("62")}

// allow accepts events only of certain people.
type allow struct {
	*people
	cfg allowConfig
}

func newAllow(env *policy.Env, cfg allowConfig, bad *conf.Faults) policy.Policy {
	cfg.Message = or(cfg.Message, "only certain people may write here, and the author is none of them")
	return &allow{newPeople(env, cfg.peopleConfig, bad), cfg}
}

func (p *allow) Event(_ context.Context, c policy.Client, e *event.Event) policy.Verdict {
	switch {
	case len(p.cfg.Kinds) > 0 && !p.cfg.Kinds.Has(e.Kind) || p.cfg.Exempt.Has(e.Kind),
		p.Has(e.PubKey),
		p.cfg.About.Has(e.Kind) && p.mentioned(e),
		p.cfg.Forward && p.any(c.Authed()):
		return policy.Verdict{}
	case p.incomplete():
		return policy.Refuse(reason.Error, "the list of those who may write is not loaded yet; try again soon")
	case p.cfg.Forward && len(c.Authed()) == 0:
		return policy.Refuse(reason.AuthRequired, "authenticate; "+p.cfg.Message)
	}
	return policy.Refuse(reason.Restricted, p.cfg.Message)
}

// Generation has it asked again about what is on its way when a member is removed.
func (p *allow) Generation() uint64 { return p.members.generation() }

func (p *allow) Limits() policy.Limits { return policy.Limits{RestrictedWrites: true} }

type denyConfig struct {
	peopleConfig
	Exempt  conf.Kinds `toml:"exempt" comment:"The kinds that they may write all the same: to delete and to vanish is everybody's right."`
	Message string     `toml:"message" comment:"What they are told. Empty: a plain sentence."`
	Shadow  bool       `toml:"shadow" comment:"They are told that all is well, and their events are dropped."`
}

var denyDefaults = denyConfig{peopleConfig: peopleDefaults, Exempt: conf.MustKinds("5, 62")}

// deny refuses the events of certain people.
type deny struct {
	*people
	exempt  conf.Kinds
	verdict policy.Verdict
}

func newDeny(env *policy.Env, cfg denyConfig, bad *conf.Faults) policy.Policy {
	p := &deny{
		people:  newPeople(env, cfg.peopleConfig, bad),
		exempt:  cfg.Exempt,
		verdict: policy.Refuse(reason.Blocked, or(cfg.Message, "the author may not write here")),
	}
	if cfg.Shadow {
		p.verdict = policy.Verdict{Action: policy.Shadow}
	}
	return p
}

func (p *deny) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if !p.Has(e.PubKey) || p.exempt.Has(e.Kind) {
		return policy.Verdict{}
	}
	return p.verdict
}

type readersConfig struct {
	peopleConfig
	Kinds   conf.Kinds `toml:"kinds" comment:"Only these kinds are for the people above; anybody may read others. Empty: all are."`
	Message string     `toml:"message" comment:"What those who are refused are told. Empty: a plain sentence."`
}

// readers lets only certain people read. For the kinds of a list it asks at
// every event too, since filters that ask for other things find those as well.
type readers struct {
	*people
	cfg readersConfig
}

func newReaders(env *policy.Env, cfg readersConfig, bad *conf.Faults) policy.Policy {
	cfg.Message = or(cfg.Message, "only certain people may read this, and you are none of them")
	return &readers{newPeople(env, cfg.peopleConfig, bad), cfg}
}

func (p *readers) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}

func (p *readers) Filter(_ context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	return p.MayRead(c, f.Kinds)
}

func (p *readers) MayRead(c policy.Client, kinds []uint16) policy.Verdict {
	switch {
	case p.any(c.Authed()), len(p.cfg.Kinds) > 0 && !asksOnlyFor(kinds, p.cfg.Kinds):
		return policy.Verdict{}
	case len(c.Authed()) == 0:
		return policy.Refuse(reason.AuthRequired, "authenticate; only certain people may read this")
	case p.incomplete():
		return policy.Refuse(reason.Error, "the list of those who may read is not loaded yet; try again soon")
	}
	return policy.Refuse(reason.Restricted, p.cfg.Message)
}

func (p *readers) DeliveryKinds() []uint16 { return append([]uint16{}, p.cfg.Kinds.List()...) }

func (p *readers) Deliver(c policy.Client, _ *policy.View) bool { return p.any(c.Authed()) }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
