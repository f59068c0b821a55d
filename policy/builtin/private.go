package builtin

import (
	"moa/policy"
	"moa/policy/conf"
)

type privateConfig struct {
	Kinds conf.Kinds `toml:"kinds" comment:"Only the author and the people in p tags may read these kinds, wherever they\nare asked for: messages, seals and gift wraps. This policy is in every chain, with\nthese defaults, unless a table says otherwise; kinds = \"\" makes everything public."`
}

var privateDefaults = privateConfig{Kinds: conf.MustKinds("4, 13, 14, 15, 1059, 1060, 21059")}

// private shows some kinds only to the people involved (NIP-17, NIP-59).
type private struct{ confidential }

func newPrivate(_ *policy.Env, cfg privateConfig, _ *conf.Faults) policy.Policy {
	return &private{confidential{cfg.Kinds, "authenticate to read messages: only the people involved may"}}
}

func (p *private) Deliver(c policy.Client, e *policy.View) bool {
	return authed(c, e.PubKey) || e.Mentions(c.Authed())
}
