package builtin

import (
	"context"
	"fmt"
	"unicode/utf8"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type limitsConfig struct {
	Kinds     conf.Kinds `toml:"kinds" comment:"The kinds that these limits are for. Empty: all."`
	Bytes     int        `toml:"bytes" comment:"Most bytes of an event's JSON. Here and below, 0 is no limit."`
	Content   int        `toml:"content" comment:"Most characters (Unicode code points) of content."`
	Tags      int        `toml:"tags" comment:"Most tags."`
	TagItems  int        `toml:"tag_items" comment:"Most elements of one tag, its name among them."`
	TagLength int        `toml:"tag_length" comment:"Most bytes of one element of a tag."`
	Mentions  int        `toml:"mentions" comment:"Most p tags: how many people an event may address."`
}

// limits refuses events that are too large in some way.
type limits struct{ limitsConfig }

func newLimits(_ *policy.Env, cfg limitsConfig, bad *conf.Faults) policy.Policy {
	for _, l := range []struct {
		path  string
		value int
	}{
		{"bytes", cfg.Bytes},
		{"content", cfg.Content},
		{"tags", cfg.Tags},
		{"tag_items", cfg.TagItems},
		{"tag_length", cfg.TagLength},
		{"mentions", cfg.Mentions},
	} {
		if l.value < 0 {
			bad.Add(l.path, "%d is less than 0", l.value)
		}
	}
	return &limits{cfg}
}

func (p *limits) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if len(p.Kinds) > 0 && !p.Kinds.Has(e.Kind) {
		return policy.Verdict{}
	}
	if over(len(e.Raw), p.Bytes) {
		return tooMuch("the event", len(e.Raw), p.Bytes, "bytes")
	}
	// A string has at most as many characters as bytes.
	if over(len(e.Content), p.Content) {
		if n := utf8.RuneCountInString(e.Content); n > p.Content {
			return tooMuch("the content", n, p.Content, "characters")
		}
	}
	if over(len(e.Tags), p.Tags) {
		return tooMuch("the event", len(e.Tags), p.Tags, "tags")
	}
	return p.tags(e)
}

func (p *limits) tags(e *event.Event) policy.Verdict {
	mentions := 0
	for _, t := range e.Tags {
		if over(len(t), p.TagItems) {
			return tooMuch("a tag", len(t), p.TagItems, "elements")
		}
		if p.TagLength > 0 {
			for _, s := range t {
				if len(s) > p.TagLength {
					return tooMuch("an element of a tag", len(s), p.TagLength, "bytes")
				}
			}
		}
		if t[0] == "p" {
			mentions++
		}
	}
	if over(mentions, p.Mentions) {
		return tooMuch("the event", mentions, p.Mentions, "mentions (p tags)")
	}
	return policy.Verdict{}
}

func over(n, limit int) bool { return limit > 0 && n > limit }

func tooMuch(what string, n, limit int, unit string) policy.Verdict {
	return policy.Refuse(reason.Blocked, fmt.Sprintf("%s has %d %s; at most %d are accepted here", what, n, unit, limit))
}

func (p *limits) Limits() policy.Limits {
	if len(p.Kinds) > 0 {
		return policy.Limits{}
	}
	content := p.Content
	if p.Bytes > 0 && (content == 0 || p.Bytes < content) {
		content = p.Bytes // a character has a byte at least
	}
	return policy.Limits{EventTags: p.Tags, ContentLength: content}
}
