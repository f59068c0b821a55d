package builtin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type tagsConfig struct {
	Kinds conf.Kinds `toml:"kinds" comment:"The kinds that these rules are for. Empty: all."`
	Rules []tagRule  `toml:"rules" comment:"Each rule is for the tags of one name. It says how few (least) and how many (most, 0: any)\nof them there may be, and what their value may be: one of values, none of deny, and as\npattern (RE2) says.." example:"[{ tag = \"t\", least = 1, most = 5, values = [\"bitcoin\", \"nostr\"] }]"`
}

// tagRule is for the tags of one name.
type tagRule struct {
	Tag     string      `toml:"tag"`
	Least   int         `toml:"least"`
	Most    int         `toml:"most"`
	Values  []string    `toml:"values"`
	Deny    []string    `toml:"deny"`
	Pattern conf.Regexp `toml:"pattern"`
}

// tags judges the tags of events.
type tags struct{ tagsConfig }

func newTags(_ *policy.Env, cfg tagsConfig, bad *conf.Faults) policy.Policy {
	if len(cfg.Rules) == 0 {
		bad.Add("rules", "missing")
	}
	for i, r := range cfg.Rules {
		at := func(key string) string { return fmt.Sprintf("rules[%d].%s", i, key) }
		if r.Tag == "" {
			bad.Add(at("tag"), "missing; it names the tag")
		}
		if r.Least < 0 {
			bad.Add(at("least"), "%d is less than 0", r.Least)
		}
		if r.Most < 0 || r.Most > 0 && r.Most < r.Least {
			bad.Add(at("most"), "%d is less than 0 or than least", r.Most)
		}
	}
	return &tags{cfg}
}

func (p *tags) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if len(p.Kinds) > 0 && !p.Kinds.Has(e.Kind) {
		return policy.Verdict{}
	}
	for i := range p.Rules {
		if text := p.Rules[i].fault(e); text != "" {
			return policy.Refuse(reason.Blocked, text)
		}
	}
	return policy.Verdict{}
}

// fault returns what is wrong with the event, "" if nothing is.
func (r *tagRule) fault(e *event.Event) string {
	n := 0
	for _, t := range e.Tags {
		if t[0] != r.Tag {
			continue
		}
		n++
		v := t.Value()
		switch {
		case len(r.Values) > 0 && !slices.Contains(r.Values, v):
			return fmt.Sprintf("the tag %q has the value %.40q; accepted are %.200s", r.Tag, v, strings.Join(r.Values, ", "))
		case slices.Contains(r.Deny, v):
			return fmt.Sprintf("the tag %q has the value %.40q, which is not accepted here", r.Tag, v)
		case r.Pattern.Regexp != nil && !r.Pattern.MatchString(v):
			return fmt.Sprintf("the tag %q has the value %.40q, which does not have the form %s", r.Tag, v, r.Pattern)
		}
	}
	switch {
	case n < r.Least && n == 0:
		return fmt.Sprintf("add a %q tag: events need one here", r.Tag)
	case n < r.Least:
		return fmt.Sprintf("the event has %d %q tags; at least %d are needed", n, r.Tag, r.Least)
	case r.Most > 0 && n > r.Most:
		return fmt.Sprintf("the event has %d %q tags; at most %d are accepted here", n, r.Tag, r.Most)
	}
	return ""
}

func (p *tags) Limits() policy.Limits { return policy.Limits{RestrictedWrites: true} }
