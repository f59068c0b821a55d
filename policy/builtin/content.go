package builtin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type contentConfig struct {
	Kinds     conf.Kinds    `toml:"kinds" comment:"The kinds that these rules are for. Empty: all."`
	Deny      []conf.Regexp `toml:"deny" comment:"Patterns (RE2) that must not occur in the content; (?i) at the start ignores case." example:"['(?i)\\bbuy followers\\b']"`
	Require   []conf.Regexp `toml:"require" comment:"Patterns of which at least one must occur."`
	MinLength int           `toml:"min_length" comment:"Fewest bytes of content, without white space around it."`
	Links     int           `toml:"links" comment:"Most links (http:// or https://). -1: no limit."`
	Media     int           `toml:"media" comment:"Most links to pictures, films and sound. -1: no limit."`
	Word      int           `toml:"word" comment:"Most bytes without white space: what is longer is a file in disguise. 0: no limit."`
	Blob      int           `toml:"blob" comment:"Most letters and digits in a row that could be a file in base64 or hex; whole texts of\nlanguages without spaces do not count. 0: no limit."`
	JSON      conf.Kinds    `toml:"json" comment:"The kinds whose content must be a JSON object." example:"\"0\""`
}

var contentDefaults = contentConfig{Links: -1, Media: -1}

// content judges the text of events.
type content struct{ contentConfig }

func newContent(_ *policy.Env, cfg contentConfig, bad *conf.Faults) policy.Policy {
	for _, n := range []struct {
		path         string
		value, least int
	}{{"min_length", cfg.MinLength, 0}, {"links", cfg.Links, -1}, {"media", cfg.Media, -1}, {"word", cfg.Word, 0}, {"blob", cfg.Blob, 0}} {
		if n.value < n.least {
			bad.Add(n.path, "%d is less than %d", n.value, n.least)
		}
	}
	return &content{cfg}
}

func (p *content) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if len(p.Kinds) > 0 && !p.Kinds.Has(e.Kind) {
		return policy.Verdict{}
	}
	if text := p.fault(e); text != "" {
		return policy.Refuse(reason.Blocked, text)
	}
	return policy.Verdict{}
}

// fault returns what is wrong with the event, "" if nothing is.
func (p *content) fault(e *event.Event) string {
	text := e.Content
	if p.MinLength > 0 && len(strings.TrimSpace(text)) < p.MinLength {
		return fmt.Sprintf("the content is too short; at least %d characters are wanted here", p.MinLength)
	}
	if p.JSON.Has(e.Kind) && !isJSONObject(text) {
		return fmt.Sprintf("the content of kind %d must be a JSON object", e.Kind)
	}
	if p.Word > 0 && longestWord(text) > p.Word {
		return fmt.Sprintf("the content has more than %d characters without a space; upload files elsewhere and link to them", p.Word)
	}
	if p.Blob > 0 && longestBlob(text) > p.Blob {
		return fmt.Sprintf("the content has a file in it, of more than %d characters; upload files elsewhere and link to them", p.Blob)
	}
	if p.Links >= 0 || p.Media >= 0 {
		links, media := countLinks(text)
		if p.Links >= 0 && links > p.Links {
			return fmt.Sprintf("the content has %d links; at most %d are accepted here", links, p.Links)
		}
		if p.Media >= 0 && media > p.Media {
			return fmt.Sprintf("the content has %d links to media; at most %d are accepted here", media, p.Media)
		}
	}
	for _, r := range p.Deny {
		if r.MatchString(text) {
			return "the content has words that are not accepted here"
		}
	}
	for _, r := range p.Require {
		if r.MatchString(text) {
			return ""
		}
	}
	if len(p.Require) > 0 {
		return "the content has none of the words that are wanted here"
	}
	return ""
}

func isJSONObject(s string) bool {
	return strings.HasPrefix(strings.TrimSpace(s), "{") && json.Valid([]byte(s))
}

// longestWord returns the bytes of the longest run without white space.
func longestWord(s string) (longest int) {
	for word := range strings.FieldsSeq(s) {
		longest = max(longest, len(word))
	}
	return longest
}

// longestBlob returns the length of the longest run of what base64, in either of
// its alphabets, and hex are written with.
func longestBlob(s string) (longest int) {
	run := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', strings.IndexByte("+/=-_", c) >= 0:
			run++
			longest = max(longest, run)
		default:
			run = 0
		}
	}
	return longest
}

// mediaTypes are the ends of links that clients show in place.
var mediaTypes = []string{
	".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".svg", ".bmp",
	".mp4", ".webm", ".mov", ".mkv", ".avi", ".mp3", ".ogg", ".wav", ".flac", ".m4a",
}

// countLinks counts links, and those of them that lead to media.
func countLinks(s string) (links, media int) {
	for {
		i := strings.Index(s, "://")
		if i < 0 {
			return links, media
		}
		isLink := hasSuffixFold(s[:i], "http") || hasSuffixFold(s[:i], "https")
		s = s[i+len("://"):]
		if !isLink {
			continue
		}
		links++
		end := strings.IndexAny(s, " \t\r\n\"'<>?#")
		if end < 0 {
			end = len(s)
		}
		for _, t := range mediaTypes {
			if hasSuffixFold(s[:end], t) {
				media++
				break
			}
		}
	}
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
