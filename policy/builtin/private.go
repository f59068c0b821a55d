package builtin

import (
	"context"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/internal/conf"
)

type privateConfig struct {
	Kinds conf.Kinds `toml:"kinds" comment:"Only the author and the people in p tags may read these kinds, wherever they\nare asked for: messages, seals and gift wraps. This policy is in every chain, with\nthese defaults, unless a table says otherwise; kinds = \"\" makes everything public."`
}

var privateDefaults = privateConfig{Kinds: conf.MustKinds("4, 13, 14, 15, 1059, 1060, 21059")}

// private shows some kinds only to the people involved (NIP-17, NIP-59).
type private struct{ privateConfig }

func newPrivate(_ *policy.Env, cfg privateConfig, _ *faults) policy.Policy { return &private{cfg} }

func (p *private) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}

// Filter refuses strangers who ask for nothing else. Asked for among other
// things, these kinds are left out.
func (p *private) Filter(_ context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	return p.MayRead(c, f.Kinds)
}

func (p *private) MayRead(c policy.Client, kinds []uint16) policy.Verdict {
	if len(c.Authed()) == 0 && asksOnlyFor(kinds, p.Kinds) {
		return policy.Refuse(reason.AuthRequired, "authenticate to read messages: only the people involved may")
	}
	return policy.Verdict{}
}

func (p *private) DeliveryKinds() []uint16 { return append([]uint16{}, p.Kinds.List()...) }

func (p *private) InvolvedKinds() []uint16 { return p.Kinds.List() }

func (p *private) Deliver(c policy.Client, e *policy.View) bool {
	return authed(c, e.PubKey) || e.Mentions(c.Authed())
}

// asksOnlyFor reports a filter that names kinds, all of them of the set.
func asksOnlyFor(kinds []uint16, set conf.Kinds) bool {
	for _, k := range kinds {
		if !set.Has(k) {
			return false
		}
	}
	return len(kinds) > 0
}
