package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"moa/nips/event"
)

// mix makes random events that collide in every way: of few authors, kinds,
// times and d values, that replace, delete and expire each other, and that an operator
// removes, and lets come again. The same seed gives the same ones.
type mix struct {
	rnd     *rand.Rand
	now     int64
	known   []*event.Event
	removed []*event.Event // what may come again
}

func newMix(seed uint64) *mix {
	return &mix{rnd: rand.New(rand.NewPCG(seed, 7)), now: 1000}
}

// batch makes some events, and repeats one now and then, above all of those that were
// removed last.
func (m *mix) batch() (batch []*event.Event) {
	for _, e := range m.removed {
		if m.rnd.IntN(2) == 0 {
			batch = append(batch, e)
		}
	}
	m.removed = nil
	for range 1 + m.rnd.IntN(30) {
		e := m.event()
		batch = append(batch, e)
		m.known = append(m.known, e)
		if m.rnd.IntN(8) == 0 {
			batch = append(batch, pick(m.rnd, m.known))
		}
	}
	return batch
}

// removal is what an operator removes: some of what came last, if anything.
func (m *mix) removal() (ids []event.ID) {
	if m.rnd.IntN(3) > 0 {
		return nil
	}
	last := m.known[max(len(m.known)-40, 0):]
	for range 1 + m.rnd.IntN(8) {
		e := pick(m.rnd, last)
		m.removed, ids = append(m.removed, e), append(ids, e.ID)
	}
	return ids
}

var (
	mixKinds = []uint16{0, 1, 1, 3, 5, 6, 7, 62, 1059, 10002, 21059, 30023, 30023, 30078}
	mixDs    = []string{"", "x", "a:b", "x"}
	// Cells within each other and beside each other, and what is no geohash.
	mixPlaces = []string{
		"u", "u3", "u33", "u33d", "u33dc", "u33dc1", "u33dc1v0xupz", "u33e", "u34", "u4", "9q8yy", "9q8", "9", "v",
		"u33dc1v0xupzb", "u33a", "U33D", "", "wss://grasp.example",
	}
)

// mixPlaceTags are the tags that name a place, each in its way.
var mixPlaceTags = []string{"g", "g", "i", "I"}

// placeIn writes a cell as tags of that name have it.
func placeIn(name, cell string) string {
	if name == "g" {
		return cell
	}
	return "geo:" + cell
}

func pick[T any](rnd *rand.Rand, list []T) T { return list[rnd.IntN(len(list))] }

// time is close to the clock, and often the same.
func (m *mix) time() int64 { return max(m.now-m.rnd.Int64N(300), 0) }

func (m *mix) event() *event.Event {
	kind := pick(m.rnd, mixKinds)
	if kind == 62 && m.rnd.IntN(8) > 0 {
		kind = 1
	}
	author := Key(m.rnd.IntN(5))
	at := m.time()
	if kind == 62 {
		at -= 150 // leave something
	}
	return Make(author, kind, max(at, 0), fmt.Sprint(m.rnd.IntN(3)), m.tags(kind, author)...)
}

func (m *mix) tags(kind uint16, author event.PubKey) (tags []event.Tag) {
	if event.Addressable(kind) {
		for range m.rnd.IntN(3) {
			tags = append(tags, tag("d", pick(m.rnd, mixDs)))
		}
		if m.rnd.IntN(9) == 0 {
			tags = slices.Insert(tags, 0, tag("d"))
		}
	}
	for range m.rnd.IntN(3) {
		tags = append(tags, tag("t", pick(m.rnd, []string{"a", "b", "", "a\x00"})))
	}
	for range m.rnd.IntN(9) / 6 * m.rnd.IntN(4) {
		name := pick(m.rnd, mixPlaceTags)
		tags = append(tags, tag(name, placeIn(name, pick(m.rnd, mixPlaces))))
	}
	if m.rnd.IntN(2) == 0 || kind == 1059 {
		tags = append(tags, tag("p", Key(m.rnd.IntN(5)).String()))
	}
	if len(m.known) > 0 && (kind == 5 || m.rnd.IntN(4) == 0) {
		for range 1 + m.rnd.IntN(2) {
			tags = append(tags, eTag(pick(m.rnd, m.known)))
		}
	}
	if kind == 5 && m.rnd.IntN(3) == 0 {
		tags = append(tags, aTag(pick(m.rnd, []uint16{0, 3, 10002, 30023, 30078}), author, pick(m.rnd, mixDs)))
	}
	if m.rnd.IntN(10) == 0 {
		tags = append(tags, tag("expiration", fmt.Sprint(max(m.now+m.rnd.Int64N(60)-5, 0))))
	}
	return tags
}

// Mixed calls do with the clock, batches of random events that collide in every
// way, and what an operator removes then: of few authors, kinds, times and d values, that
// replace, delete and expire each other, and come again when they were removed. The same
// seed gives the same ones.
func Mixed(seed uint64, batches int, do func(now int64, batch []*event.Event, remove []event.ID)) {
	m := newMix(seed)
	for range batches {
		m.now += m.rnd.Int64N(20)
		batch := m.batch()
		do(m.now, batch, m.removal())
	}
}
