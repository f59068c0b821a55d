package builtin

import (
	"moa/policy"
	"moa/policy/conf"
)

type ownerOnlyConfig struct {
	Kinds conf.Kinds `toml:"kinds" comment:"Only the author may read these kinds, wherever they are asked for: application data\n(NIP-78), drafts (NIP-37) and wallets (NIP-60)."`
}

var ownerOnlyDefaults = ownerOnlyConfig{Kinds: conf.MustKinds("78, 1234, 7374-7376, 17375, 30078, 31234")}

// ownerOnly shows some kinds to their author alone.
type ownerOnly struct{ confidential }

func newOwnerOnly(_ *policy.Env, cfg ownerOnlyConfig, bad *conf.Faults) policy.Policy {
	if len(cfg.Kinds) == 0 {
		bad.Add("kinds", "no kind is named")
	}
	return &ownerOnly{confidential{cfg.Kinds, "authenticate to read these kinds: only their author may"}}
}

func (p *ownerOnly) Deliver(c policy.Client, e *policy.View) bool { return authed(c, e.PubKey) }
