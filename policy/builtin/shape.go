package builtin

import (
	"context"
	"fmt"
	"strings"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/internal/conf"
)

type shapeConfig struct {
	Kinds conf.Kinds `toml:"kinds" comment:"The kinds that must have the shape that their NIP gives them: the tags that it says they\nmust have, with values of the right form. Other kinds than these are not known:\n0, 3, 5-7, 16, 1059, 1111, 1984, 9735, 10002, 10050, 21059, 30023, 31922, 31923."`
}

var shapeDefaults = shapeConfig{Kinds: conf.MustKinds("0, 3, 5-7, 16, 1059, 1111, 1984, 9735, 10002, 10050, 21059, 30023, 31922, 31923")}

// shapeRule is what a NIP asks of a kind: one of some tags, of some form.
type shapeRule struct {
	tags     string // names, of which one is needed; separated by a space
	optional bool   // none is needed
	form     form
}

// form is what a tag's value must be.
type form struct {
	name  string
	valid func(string) bool
}

var (
	anything = form{"", func(s string) bool { return s != "" }}
	anID     = form{"an event id", func(s string) bool { _, err := event.ParseID(s); return err == nil }}
	aKey     = form{"a public key", func(s string) bool { _, err := event.ParsePubKey(s); return err == nil }}
	anAddr   = form{"an address", func(s string) bool { _, err := event.ParseAddress(s); return err == nil }}
	aRelay   = form{"a relay URL", func(s string) bool { return strings.HasPrefix(s, "wss://") || strings.HasPrefix(s, "ws://") }}
)

// shapes are the rules of each kind, and the NIP that they stand in.
var shapes = map[uint16]struct {
	nip   string
	rules []shapeRule
}{
	3:     {"02", []shapeRule{{"p", true, aKey}}},
	5:     {"09", []shapeRule{{"e a", false, anything}, {"e", true, anID}, {"a", true, anAddr}}},
	6:     {"18", []shapeRule{{"e", false, anID}}},
	7:     {"25", []shapeRule{{"e a", false, anything}, {"e", true, anID}}},
	16:    {"18", []shapeRule{{"e a", false, anything}, {"e", true, anID}}},
	1059:  {"59", []shapeRule{{"p", false, aKey}}},
	1111:  {"22", []shapeRule{{"A E I", false, anything}, {"K", false, anything}, {"a e i", false, anything}, {"k", false, anything}}},
	1984:  {"56", []shapeRule{{"p", false, aKey}}},
	9735:  {"57", []shapeRule{{"p", false, aKey}, {"bolt11", false, anything}, {"description", false, anything}}},
	10002: {"65", []shapeRule{{"r", true, aRelay}}},
	10050: {"17", []shapeRule{{"relay", true, aRelay}}},
	21059: {"59", []shapeRule{{"p", false, aKey}}},
	30023: {"23", []shapeRule{{"d", false, anything}}},
	31922: {"52", []shapeRule{{"d", false, anything}, {"title", false, anything}, {"start", false, anything}}},
	31923: {"52", []shapeRule{{"d", false, anything}, {"title", false, anything}, {"start", false, anything}}},
}

// shape holds kinds to what their NIP says.
type shape struct{ shapeConfig }

func newShape(_ *policy.Env, cfg shapeConfig, bad *faults) policy.Policy {
	for _, k := range cfg.Kinds.List() {
		if _, known := shapes[k]; !known && k != event.KindMetadata {
			bad.add("kinds", "the shape of kind %d is not known", k)
			break
		}
	}
	return &shape{cfg}
}

func (p *shape) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if !p.Kinds.Has(e.Kind) {
		return policy.Verdict{}
	}
	if e.Kind == event.KindMetadata {
		if !isJSONObject(e.Content) {
			return policy.Refuse(reason.Invalid, "the content of kind 0 must be a JSON object (NIP-01)")
		}
		return policy.Verdict{}
	}
	s := shapes[e.Kind]
	for i := range s.rules {
		if text := s.rules[i].fault(e); text != "" {
			return policy.Refuse(reason.Invalid, fmt.Sprintf("%s (NIP-%s)", text, s.nip))
		}
	}
	return policy.Verdict{}
}

// fault returns what is wrong with the event, "" if nothing is.
func (r *shapeRule) fault(e *event.Event) string {
	found := r.optional
	for _, t := range e.Tags {
		if !r.names(t[0]) {
			continue
		}
		if !r.form.valid(t.Value()) {
			if r.form.name == "" {
				return fmt.Sprintf("the tag %q has no value", t[0])
			}
			return fmt.Sprintf("the tag %q has the value %.40q, which is not %s", t[0], t.Value(), r.form.name)
		}
		found = true
	}
	if !found {
		return fmt.Sprintf("an event of kind %d needs a tag %s", e.Kind, strings.ReplaceAll(r.tags, " ", " or "))
	}
	return ""
}

// names reports whether the rule is about tags of this name.
func (r *shapeRule) names(tag string) bool {
	for name := range strings.SplitSeq(r.tags, " ") {
		if name == tag {
			return true
		}
	}
	return false
}
