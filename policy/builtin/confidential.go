package builtin

import (
	"context"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

// confidential is what policies have in common that show some kinds to certain
// people only. Each says to whom in its Deliver.
type confidential struct {
	kinds   conf.Kinds
	refusal string // of a filter that asks for nothing else, without AUTH
}

func (p *confidential) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}

// Filter refuses unauthenticated clients that ask for nothing else. Asked for
// among other things, these kinds are left out.
func (p *confidential) Filter(_ context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	return p.MayRead(c, f.Kinds)
}

func (p *confidential) MayRead(c policy.Client, kinds []uint16) policy.Verdict {
	if len(c.Authed()) == 0 && asksOnlyFor(kinds, p.kinds) {
		return policy.Refuse(reason.AuthRequired, p.refusal)
	}
	return policy.Verdict{}
}

// DeliveryKinds are not nil, which would be all.
func (p *confidential) DeliveryKinds() []uint16 { return append([]uint16{}, p.kinds.List()...) }

func (p *confidential) InvolvedKinds() []uint16 { return p.kinds.List() }

// asksOnlyFor reports a filter that names kinds, all of them of the set.
func asksOnlyFor(kinds []uint16, set conf.Kinds) bool {
	for _, k := range kinds {
		if !set.Has(k) {
			return false
		}
	}
	return len(kinds) > 0
}
