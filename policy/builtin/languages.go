package builtin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/RadhiFadlillah/whatlanggo"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type languagesConfig struct {
	Allow      []string   `toml:"allow" comment:"Only these languages are accepted, by their ISO 639-1 codes. Empty: all but those of deny." example:"[\"de\", \"en\"]"`
	Deny       []string   `toml:"deny" comment:"These are not."`
	Kinds      conf.Kinds `toml:"kinds" comment:"The kinds whose content is looked at."`
	MinLetters int        `toml:"min_letters" comment:"Texts with fewer letters are accepted: their language cannot be told. Links, names,\nhashtags and words with digits do not count."`
	Confidence float64    `toml:"confidence" comment:"How sure it must be, from 0 to 1, or the text is accepted. Of scripts that only one\nlanguage has it is always sure."`
}

var languagesDefaults = languagesConfig{Kinds: conf.MustKinds("1, 42, 1111, 30023"), MinLetters: 40, Confidence: 0.5}

// languages accepts texts by the language that they seem to be in. What it is
// not sure about it accepts.
type languages struct {
	languagesConfig
	wanted   string // for people
	accepted map[whatlanggo.Lang]bool
}

// languageNames are the languages that can be told, by their code.
var languageNames = func() map[string]string {
	names := map[string]string{}
	for l, name := range whatlanggo.Langs {
		if code := l.Iso6391(); code != "" {
			names[code] = name
		}
	}
	return names
}()

func newLanguages(_ *policy.Env, cfg languagesConfig, bad *conf.Faults) policy.Policy {
	if len(cfg.Allow)+len(cfg.Deny) == 0 {
		bad.Add("allow", "neither allow nor deny names a language")
	}
	known := func(key string, list []string) {
		for i, code := range list {
			if languageNames[code] == "" {
				bad.Add(fmt.Sprintf("%s[%d]", key, i), "%q is none of the languages that can be told: %s", code, strings.Join(slices.Sorted(maps.Keys(languageNames)), " "))
			}
		}
	}
	known("allow", cfg.Allow)
	known("deny", cfg.Deny)
	if cfg.MinLetters < 1 || cfg.MinLetters > maxLetters {
		bad.Add("min_letters", "%d is not from 1 to %d", cfg.MinLetters, maxLetters)
	}
	if cfg.Confidence < 0 || cfg.Confidence > 1 {
		bad.Add("confidence", "%v is not from 0 to 1", cfg.Confidence)
	}
	p := &languages{languagesConfig: cfg, accepted: map[whatlanggo.Lang]bool{}}
	var wanted []string
	for _, code := range cfg.Allow {
		wanted = append(wanted, languageNames[code])
	}
	p.wanted = strings.Join(wanted, ", ")
	for l := range whatlanggo.Langs {
		if p.accepts(l.Iso6391()) {
			p.accepted[l] = true
		}
	}
	return p
}

// AfterSignature: to look at a text costs more than to check a signature.
func (p *languages) AfterSignature() {}

func (p *languages) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if !p.Kinds.Has(e.Kind) {
		return policy.Verdict{}
	}
	code, sure := p.foreign(e.Content)
	switch {
	case code == "":
		return policy.Verdict{}
	case len(p.Allow) == 0:
		return policy.Refuse(reason.Blocked, fmt.Sprintf("the text seems to be %s, which is not accepted here", languageNames[code]))
	case sure:
		return policy.Refuse(reason.Blocked, fmt.Sprintf("the text seems to be %s; accepted here is only %s", languageNames[code], p.wanted))
	}
	return policy.Refuse(reason.Blocked, "the text does not seem to be what is accepted here: "+p.wanted)
}

// accepts reports whether texts in the language are accepted.
func (p *languages) accepts(code string) bool {
	return !slices.Contains(p.Deny, code) && (len(p.Allow) == 0 || slices.Contains(p.Allow, code))
}

// foreign returns the language that the text is most likely in, if that is not
// accepted, and the text in none that is. sure says that it is this language and
// no other that is not accepted either.
func (p *languages) foreign(text string) (code string, sure bool) {
	prose, letters, kana := proseOf(text)
	if letters < p.MinLetters {
		return "", false
	}
	if 10*kana > letters { // the others are Chinese characters
		if p.accepts("ja") {
			return "", false
		}
		return "ja", true
	}
	found := whatlanggo.Detect(prose)
	if found.Lang < 0 || p.accepts(found.Lang.Iso6391()) {
		return "", false
	}
	// How sure it is depends on the second likeliest: between two that are not
	// accepted the difference does not matter, so only those that are accepted
	// stand against what was found.
	against := map[whatlanggo.Lang]bool{found.Lang: true}
	maps.Copy(against, p.accepted)
	if whatlanggo.DetectWithOptions(prose, whatlanggo.Options{Whitelist: against}).Confidence < p.Confidence {
		return "", false
	}
	return found.Lang.Iso6391(), found.Confidence >= p.Confidence
}

// maxLetters is how much of a text is looked at: enough to be sure, and a bound
// of the cost. Beyond looked bytes nothing is looked for.
const (
	maxLetters = 500
	maxLooked  = 16 << 10
)

// proseOf returns the beginning of what is written in a text for people: words
// without links, names, hashtags and what has digits in it. kana counts letters
// that only Japanese has.
func proseOf(text string) (prose string, letters, kana int) {
	if len(text) > maxLooked {
		text = text[:maxLooked]
	}
	var b strings.Builder
	for word := range strings.FieldsSeq(text) {
		if letters >= maxLetters {
			break
		}
		if notProse(word) {
			continue
		}
		for _, r := range word {
			if letters >= maxLetters { // there may be no spaces
				break
			}
			if unicode.IsLetter(r) {
				letters++
				if unicode.In(r, unicode.Hiragana, unicode.Katakana) {
					kana++
				}
			}
			b.WriteRune(r)
		}
		b.WriteByte(' ')
	}
	return b.String(), letters, kana
}

// notProse reports a link, a name, a hashtag, or an ASCII word with a digit.
func notProse(word string) bool {
	return strings.ContainsRune("#@", rune(word[0])) || strings.HasPrefix(word, "nostr:") || strings.Contains(word, "://") ||
		word[0] < utf8.RuneSelf && strings.ContainsAny(word, "0123456789")
}
