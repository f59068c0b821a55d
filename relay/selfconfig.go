package relay

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"moa/nips/nip66"
	"moa/policy/conf"
)

// Self is what the relay says about itself in an event of its own (NIP-66), by
// its Identity. The zero Self says nothing.
type Self struct {
	Publish   bool          `toml:"publish"`
	Every     time.Duration `toml:"every" default:"24h"` // the event is signed again, at the latest
	Topics    []string      `toml:"topics"`
	Languages []string      `toml:"languages"` // ISO 639-1
	Relays    []string      `toml:"relays"`    // URLs of other relays that get the event, too
}

const (
	maxSelfTags   = 32 // of topics and of languages
	maxSelfRelays = 16
	minSelfEvery  = time.Minute
)

var language = regexp.MustCompile(`^[a-z]{2}$`)

// check notes what is wrong in the table self of a relay at url.
func (s *Self) check(bad *conf.Faults, url string) {
	if s.Publish && url == "" {
		bad.Add("self.publish", "the event is about a URL, and none is set")
	}
	if s.Every < minSelfEvery {
		bad.Add("self.every", "%v is less than %v", s.Every, minSelfEvery)
	}
	if len(s.Topics) > maxSelfTags || slices.ContainsFunc(s.Topics, func(t string) bool { return strings.TrimSpace(t) == "" }) {
		bad.Add("self.topics", "there are more than %d, or one is empty", maxSelfTags)
	}
	if len(s.Languages) > maxSelfTags || slices.ContainsFunc(s.Languages, func(l string) bool { return !language.MatchString(l) }) {
		bad.Add("self.languages", `there are more than %d, or one is not of two letters like "en" (ISO 639-1)`, maxSelfTags)
	}
	if len(s.Relays) > maxSelfRelays {
		bad.Add("self.relays", "there are more than %d", maxSelfRelays)
	}
	for _, r := range s.Relays {
		if _, err := nip66.NormalURL(r); err != nil {
			bad.Add("self.relays", "%.100q: %v", r, err)
		}
	}
}
