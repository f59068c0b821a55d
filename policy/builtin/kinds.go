package builtin

import (
	"context"
	"fmt"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type kindsConfig struct {
	Allow conf.Kinds `toml:"allow" comment:"Only these kinds are accepted. Empty: all." example:"\"0-19, 30000-39999\""`
	Deny  conf.Kinds `toml:"deny" comment:"These are not, though allow has them." example:"\"4\""`
}

// kinds accepts only some kinds of events.
type kinds struct {
	kindsConfig
	decided policy.Decided
}

func newKinds(env *policy.Env, cfg kindsConfig, bad *conf.Faults) policy.Policy {
	if len(cfg.Allow) == 0 && len(cfg.Deny) == 0 {
		bad.Add("allow", "neither allow nor deny names a kind")
	}
	return &kinds{cfg, env.Decided}
}

func (p *kinds) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if allowed, _ := p.decided.Kind(e.Kind); allowed {
		return policy.Verdict{} // an operator's word stands over the configuration
	}
	if len(p.Allow) > 0 && !p.Allow.Has(e.Kind) {
		return policy.Refuse(reason.Blocked, fmt.Sprintf("events of kind %d are not accepted here, only of kinds %s", e.Kind, p.Allow))
	}
	if p.Deny.Has(e.Kind) {
		return policy.Refuse(reason.Blocked, fmt.Sprintf("events of kind %d are not accepted here", e.Kind))
	}
	return policy.Verdict{}
}

func (p *kinds) Limits() policy.Limits { return policy.Limits{RestrictedWrites: true} }

// KindLists are the kinds that the policy accepts, nil for all, and those that
// it refuses.
func (p *kinds) KindLists() (allow, deny []uint16) { return p.Allow.List(), p.Deny.List() }
