package builtin

import (
	"context"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/internal/conf"
)

type ownerOnlyConfig struct {
	Kinds conf.Kinds `toml:"kinds" comment:"Only the author may read these kinds, wherever they are asked for: application data\n(NIP-78), drafts (NIP-37) and wallets (NIP-60)."`
}

var ownerOnlyDefaults = ownerOnlyConfig{Kinds: conf.MustKinds("78, 1234, 7374-7376, 17375, 30078, 31234")}

// ownerOnly shows some kinds to their author alone.
type ownerOnly struct{ ownerOnlyConfig }

func newOwnerOnly(_ *policy.Env, cfg ownerOnlyConfig, bad *faults) policy.Policy {
	if len(cfg.Kinds) == 0 {
		bad.add("kinds", "no kind is named")
	}
	return &ownerOnly{cfg}
}

func (p *ownerOnly) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}

// Filter refuses unauthenticated clients that ask for nothing else. Asked for
// among other things, these kinds are left out.
func (p *ownerOnly) Filter(_ context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	return p.MayRead(c, f.Kinds)
}

func (p *ownerOnly) MayRead(c policy.Client, kinds []uint16) policy.Verdict {
	if len(c.Authed()) == 0 && asksOnlyFor(kinds, p.Kinds) {
		return policy.Refuse(reason.AuthRequired, "authenticate to read these kinds: only their author may")
	}
	return policy.Verdict{}
}

func (p *ownerOnly) DeliveryKinds() []uint16 { return p.Kinds.List() }

func (p *ownerOnly) InvolvedKinds() []uint16 { return p.Kinds.List() }

func (p *ownerOnly) Deliver(c policy.Client, e *policy.View) bool { return authed(c, e.PubKey) }
