// Package corpus makes the events a load test needs: a realistic network of
// authors who follow, write, answer, react, zap and whisper, the same for the
// same seed on every machine; or the events of a JSONL file.
//
// The signatures are valid BIP-340 signatures of keys that follow from the
// seed: anybody can compute them, so they must never be used for anything but
// load tests.
package corpus

import (
	"cmp"
	"math"
	"time"

	"moa/nips/event"
)

// Config says what to generate. Equal configs give equal corpora.
type Config struct {
	Seed    uint64 `json:"seed"`
	Events  int    `json:"events"`
	Authors int    `json:"authors"` // 0: one per 20 events, at least 50
	// Base is the time of the last event, Unix seconds; the first is Span
	// earlier, and created_at never goes back but for gift wraps, which hide
	// their time (NIP-59).
	Base int64         `json:"base"`
	Span time.Duration `json:"span"`
	Mix  Mix           `json:"mix"` // nil: Stored
}

func (c Config) withDefaults() Config {
	c.Authors = cmp.Or(c.Authors, max(50, c.Events/20))
	if c.Mix == nil {
		c.Mix = Stored()
	}
	return c
}

// Corpus is a list of events and the people who wrote them. It is not changed
// after it was made.
type Corpus struct {
	Config Config
	Events []*event.Event
	// People are the generated authors, the busiest first; for a file, the
	// authors found in it, and they have no keys.
	People []Person
	net    *network                      // of a generated corpus
	lists  map[event.PubKey]*event.Event // follow lists, of one from a file
}

// Person is an author.
type Person struct {
	PubKey event.PubKey
	key    key
}

// Follows returns whom a generated person follows; of a file, whom the last
// follow list of that person names.
func (c *Corpus) Follows(person int) []event.PubKey {
	if c.net == nil {
		return named(c.lists[c.People[person].PubKey])
	}
	ids := c.net.follows(person)
	out := make([]event.PubKey, len(ids))
	for i, id := range ids {
		out[i] = c.People[id].PubKey
	}
	return out
}

// Bytes returns the size of all events as they are sent.
func (c *Corpus) Bytes() int64 {
	var n int64
	for _, e := range c.Events {
		n += int64(len(e.Raw))
	}
	return n
}

// MeanSize returns the mean size of an event in bytes, 0 for none.
func (c *Corpus) MeanSize() float64 {
	return float64(c.Bytes()) / math.Max(1, float64(len(c.Events)))
}
