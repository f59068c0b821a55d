package storetest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"moa/nips/event"
)

// Corpus makes events like those of a public relay: few authors write most,
// most events are notes, reactions and reposts that point at others of about
// 1 KB, and time goes on with every event. The same seed gives the same ones.
type Corpus struct {
	Authors int // 0: 5000

	rnd    *rand.Rand
	zipf   *rand.Zipf
	now    int64
	recent []*event.Event // notes to react to
	made   int
}

// CorpusStart is when a corpus begins; about one event a second follows.
const CorpusStart = 1_700_000_000

// NewCorpus returns a corpus of that seed.
func NewCorpus(seed uint64) *Corpus {
	c := &Corpus{Authors: 5000, rnd: rand.New(rand.NewPCG(seed, 99)), now: CorpusStart}
	c.zipf = rand.NewZipf(c.rnd, 1.1, 20, uint64(c.Authors-1))
	return c
}

// Now is the time of the last event made.
func (c *Corpus) Now() int64 { return c.now }

// Batch makes n events.
func (c *Corpus) Batch(n int) []*event.Event {
	out := make([]*event.Event, n)
	for i := range out {
		out[i] = c.Next()
	}
	return out
}

// kindShares says how often a kind comes, of 100.
var kindShares = []struct {
	kind  uint16
	share int
}{{1, 40}, {7, 25}, {6, 8}, {9735, 6}, {1059, 5}, {0, 5}, {30023, 3}, {10002, 3}, {3, 2}, {1111, 3}}

func (c *Corpus) kind() uint16 {
	n := c.rnd.IntN(100)
	for _, k := range kindShares {
		if n -= k.share; n < 0 {
			return k.kind
		}
	}
	return 1
}

// Next makes one event.
func (c *Corpus) Next() *event.Event {
	c.now += int64(c.rnd.IntN(3))
	c.made++
	author, kind := c.Author(), c.kind()
	at := c.now
	if kind == event.KindGiftWrap {
		at -= c.rnd.Int64N(2 * 86400)
	}
	e := Make(author, kind, at, c.text(200+c.rnd.IntN(900)), c.tags(kind)...)
	if kind == 1 || kind == 30023 {
		if len(c.recent) < 500 {
			c.recent = append(c.recent, e)
		} else {
			c.recent[c.rnd.IntN(len(c.recent))] = e
		}
	}
	return e
}

// Author returns one of the authors, a busy one more likely.
func (c *Corpus) Author() event.PubKey { return Key(int(c.zipf.Uint64())) }

// Topic returns a hashtag, a common one more likely.
func (c *Corpus) Topic() string { return fmt.Sprintf("topic%d", c.zipf.Uint64()%400) }

func (c *Corpus) tags(kind uint16) (tags []event.Tag) {
	switch kind {
	case 0, 10002:
	case 3:
		for range 20 + c.rnd.IntN(200) {
			tags = append(tags, tag("p", c.Author().String()))
		}
	case 1059:
		tags = append(tags, tag("p", c.Author().String()))
	case 30023:
		tags = append(tags, tag("d", fmt.Sprintf("slug-%d", c.rnd.IntN(1000))), tag("t", c.Topic()))
	default:
		if len(c.recent) > 0 && (kind != 1 || c.rnd.IntN(2) == 0) {
			to := c.recent[c.rnd.IntN(len(c.recent))]
			tags = append(tags, tag("e", to.ID.String()), tag("p", to.PubKey.String()))
		}
		if kind == 1 && c.rnd.IntN(3) == 0 {
			tags = append(tags, tag("t", c.Topic()))
		}
	}
	return tags
}

var words = strings.Fields("nostr relay the of a bitcoin note zap hello world good morning people build open network free speech keys client gm pura vida sats lightning how what is freedom code")

// text returns words of about n bytes in all.
func (c *Corpus) text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[c.rnd.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.String()
}
