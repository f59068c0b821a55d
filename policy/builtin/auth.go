package builtin

import (
	"context"
	"slices"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type authConfig struct {
	Read   bool       `toml:"read" comment:"Readers must authenticate (NIP-42)."`
	Write  bool       `toml:"write" comment:"Writers must authenticate, as anybody: they may bring other people's events."`
	Author bool       `toml:"author" comment:"Writers must authenticate as the event's author."`
	Kinds  conf.Kinds `toml:"kinds" comment:"The kinds whose writers must authenticate. Empty: all."`
	Exempt conf.Kinds `toml:"exempt" comment:"The kinds that anybody may write. A request to vanish must get through (NIP-62)."`
}

var authDefaults = authConfig{Read: true, Write: true, Exempt: conf.MustKinds("62")}

// auth asks clients to prove an identity.
type auth struct{ authConfig }

func newAuth(_ *policy.Env, cfg authConfig, bad *conf.Faults) policy.Policy {
	if !cfg.Read && !cfg.Write && !cfg.Author {
		bad.Add("read", "read, write and author are all false")
	}
	return &auth{cfg}
}

func (p *auth) Event(_ context.Context, c policy.Client, e *event.Event) policy.Verdict {
	if !p.Write && !p.Author || len(p.Kinds) > 0 && !p.Kinds.Has(e.Kind) || p.Exempt.Has(e.Kind) {
		return policy.Verdict{}
	}
	if len(c.Authed()) == 0 {
		return policy.Refuse(reason.AuthRequired, "authenticate to publish here")
	}
	if p.Author && !authed(c, e.PubKey) {
		return policy.Refuse(reason.Restricted, "only the author may publish this event, and you authenticated as somebody else")
	}
	return policy.Verdict{}
}

func (p *auth) Filter(_ context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	return p.MayRead(c, f.Kinds)
}

func (p *auth) MayRead(c policy.Client, _ []uint16) policy.Verdict {
	if p.Read && len(c.Authed()) == 0 {
		return policy.Refuse(reason.AuthRequired, "authenticate to read here")
	}
	return policy.Verdict{}
}

func (p *auth) Limits() policy.Limits {
	writes := (p.Write || p.Author) && len(p.Kinds) == 0
	return policy.Limits{AuthRequired: p.Read && writes, RestrictedWrites: p.Author}
}

// authed reports whether the client proved to be pk.
func authed(c policy.Client, pk event.PubKey) bool { return slices.Contains(c.Authed(), pk) }
