package builtin

import (
	"context"
	"fmt"
	"strings"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type shapeConfig struct {
	Kinds conf.Kinds `toml:"kinds" comment:"The kinds that must have the shape that their NIP gives them: the tags that it says they\nmust have, with values of the right form, and JSON where it belongs. Other kinds than these are not known:\n0, 3, 5-7, 16, 40, 41, 1059, 1111, 1984, 9735, 10002, 10050, 21059, 30017, 30018, 30023,\n31922, 31923, 31990."`
}

var shapeDefaults = shapeConfig{Kinds: conf.MustKinds("0, 3, 5-7, 16, 40, 41, 1059, 1111, 1984, 9735, 10002, 10050, 21059, 30017, 30018, 30023, 31922, 31923, 31990")}

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
	anObject = form{"a JSON object", isJSONObject}
	aRelay   = form{"a relay URL", func(s string) bool { return strings.HasPrefix(s, "wss://") || strings.HasPrefix(s, "ws://") }}
)

// carries is what a kind's content must be.
type carries uint8

const (
	anyText    carries = iota
	jsonObject         // a JSON object
	jsonIfAny          // the same, or nothing
)

// shapes are the rules of each kind, and the NIP that they stand in.
var shapes = map[uint16]struct {
	nip     string
	content carries
	rules   []shapeRule
}{
	0:     {"01", jsonObject, nil},
	3:     {"02", anyText, []shapeRule{{"p", true, aKey}}},
	5:     {"09", anyText, []shapeRule{{"e a", false, anything}, {"e", true, anID}, {"a", true, anAddr}}},
	6:     {"18", jsonIfAny, []shapeRule{{"e", false, anID}}},
	7:     {"25", anyText, []shapeRule{{"e a", false, anything}, {"e", true, anID}}},
	16:    {"18", jsonIfAny, []shapeRule{{"e a", false, anything}, {"e", true, anID}}},
	40:    {"28", jsonObject, nil},
	41:    {"28", jsonObject, []shapeRule{{"e", false, anID}}},
	1059:  {"59", anyText, []shapeRule{{"p", false, aKey}}},
	1111:  {"22", anyText, []shapeRule{{"A E I", false, anything}, {"K", false, anything}, {"a e i", false, anything}, {"k", false, anything}}},
	1984:  {"56", anyText, []shapeRule{{"p", false, aKey}}},
	9735:  {"57", anyText, []shapeRule{{"p", false, aKey}, {"bolt11", false, anything}, {"description", false, anObject}}},
	10002: {"65", anyText, []shapeRule{{"r", true, aRelay}}},
	10050: {"17", anyText, []shapeRule{{"relay", true, aRelay}}},
	21059: {"59", anyText, []shapeRule{{"p", false, aKey}}},
	30017: {"15", jsonObject, []shapeRule{{"d", false, anything}}},
	30018: {"15", jsonObject, []shapeRule{{"d", false, anything}}},
	30023: {"23", anyText, []shapeRule{{"d", false, anything}}},
	31922: {"52", anyText, []shapeRule{{"d", false, anything}, {"title", false, anything}, {"start", false, anything}}},
	31923: {"52", anyText, []shapeRule{{"d", false, anything}, {"title", false, anything}, {"start", false, anything}}},
	31990: {"89", jsonIfAny, []shapeRule{{"d", false, anything}}},
}

// shape holds kinds to what their NIP says.
type shape struct{ shapeConfig }

func newShape(_ *policy.Env, cfg shapeConfig, bad *conf.Faults) policy.Policy {
	for _, k := range cfg.Kinds.List() {
		if _, known := shapes[k]; !known {
			bad.Add("kinds", "the shape of kind %d is not known", k)
			break
		}
	}
	return &shape{cfg}
}

func (p *shape) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if !p.Kinds.Has(e.Kind) {
		return policy.Verdict{}
	}
	s := shapes[e.Kind]
	if s.content == jsonObject && !isJSONObject(e.Content) || s.content == jsonIfAny && e.Content != "" && !isJSONObject(e.Content) {
		return policy.Refuse(reason.Invalid, fmt.Sprintf("the content of kind %d must be a JSON object (NIP-%s)", e.Kind, s.nip))
	}
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
