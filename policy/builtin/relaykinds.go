package builtin

import (
	"context"
	"fmt"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type relayKindsConfig struct {
	Own      conf.Kinds `toml:"own" comment:"Kinds by which a relay speaks of itself: its members and roles (NIP-43) and its groups\n(NIP-29). They are taken from the relay's own key only."`
	Requests conf.Kinds `toml:"requests" comment:"Kinds that ask a relay to let somebody in or out (NIP-29, NIP-43). Nothing here answers\nthem, so they are refused instead of taken in silence. This policy is in every chain,\nwith these defaults, unless a table uses it; \"\" takes all."`
}

var relayKindsDefaults = relayKindsConfig{
	Own:      conf.MustKinds("8000, 8001, 13534, 33534, 39000-39005"),
	Requests: conf.MustKinds("9021, 9022, 28934-28936"),
}

// relayKinds refuses what only the relay may say, and what only a relay with
// members or groups could answer.
type relayKinds struct {
	relayKindsConfig
	self func() event.PubKey
}

func newRelayKinds(env *policy.Env, cfg relayKindsConfig, _ *conf.Faults) policy.Policy {
	return &relayKinds{cfg, env.Self}
}

func (p *relayKinds) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	switch {
	case p.Own.Has(e.Kind) && e.PubKey != p.self():
		return policy.Refuse(reason.Restricted, fmt.Sprintf("events of kind %d are the relay's own: only its key may publish them", e.Kind))
	case p.Requests.Has(e.Kind):
		return policy.Refuse(reason.Restricted, fmt.Sprintf("this relay has no members or groups to join or leave: nothing answers kind %d here", e.Kind))
	}
	return policy.Verdict{}
}
