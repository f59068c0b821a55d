package builtin

import (
	"context"
	"fmt"

	"moa/nips/event"
	"moa/nips/nip13"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type powConfig struct {
	Bits         int        `toml:"bits" comment:"Leading zero bits that an event's id must have (NIP-13). Each bit doubles the work."`
	Kinds        conf.Kinds `toml:"kinds" comment:"The kinds that must show work. Empty: all."`
	Exempt       conf.Kinds `toml:"exempt" comment:"The kinds that need none."`
	Commitment   bool       `toml:"commitment" comment:"The nonce tag must name a target of at least that many bits, so that luck does not count."`
	ExemptAuthed bool       `toml:"exempt_authed" comment:"Authors that have authenticated (NIP-42) need none."`
}

var powDefaults = powConfig{Bits: 16, Commitment: true, Exempt: conf.MustKinds("5, 62")}

// pow asks for proof of work.
type pow struct{ powConfig }

func newPoW(_ *policy.Env, cfg powConfig, bad *conf.Faults) policy.Policy {
	if cfg.Bits < 1 || cfg.Bits > 64 {
		bad.Add("bits", "%d is not from 1 to 64", cfg.Bits)
	}
	return &pow{cfg}
}

func (p *pow) Event(_ context.Context, c policy.Client, e *event.Event) policy.Verdict {
	if len(p.Kinds) > 0 && !p.Kinds.Has(e.Kind) || p.Exempt.Has(e.Kind) {
		return policy.Verdict{}
	}
	if p.ExemptAuthed && authed(c, e.PubKey) {
		return policy.Verdict{}
	}
	return demandWork(e, p.Bits, p.Commitment)
}

// demandWork refuses an event whose id shows less work than bits.
func demandWork(e *event.Event, bits int, commitment bool) policy.Verdict {
	if err := nip13.Check(e, bits, commitment); err != nil {
		return policy.Refuse(reason.PoW, fmt.Sprintf("%v; let your client mine %d bits (NIP-13)", err, bits))
	}
	return policy.Verdict{}
}

func (p *pow) Limits() policy.Limits {
	if len(p.Kinds) > 0 || p.ExemptAuthed {
		return policy.Limits{PoW: true}
	}
	return policy.Limits{PoW: true, MinPoW: p.Bits}
}
