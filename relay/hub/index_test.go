package hub

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/geohash"
)

type counter struct{ n int }

func (c *counter) Offer(*Sub[int], *event.Event, int) bool    { c.n++; return true }
func (c *counter) Keep(*Sub[int], *event.Event, int) bool     { return true }
func (c *counter) Unkeep(*Sub[int], *event.Event, int)        {}
func (c *counter) Handover(*Sub[int], *event.Event, int) bool { c.n++; return true }

// dice makes events and filters out of few values, so that they meet often.
type dice struct{ *rand.Rand }

func (d dice) id() (id event.ID)         { id[0] = byte(d.IntN(12)); return id }
func (d dice) pubKey() (pk event.PubKey) { pk[31] = byte(d.IntN(12)); return pk }
func (d dice) kind() uint16              { return uint16(d.IntN(12)) }
func (d dice) tagName() byte             { return "eptE"[d.IntN(4)] }
func (d dice) tagValue() string          { return []string{"", "a", "b", "nostr", "ab"}[d.IntN(5)] }
func (d dice) time() int64               { return int64(d.IntN(20)) }

func (d dice) event() *event.Event {
	e := &event.Event{ID: d.id(), PubKey: d.pubKey(), Kind: d.kind(), CreatedAt: d.time()}
	for range d.IntN(3) {
		name, before := d.placeTag()
		e.Tags = append(e.Tags, event.Tag{name, before + d.geohash() + []string{"", "", "a"}[d.IntN(3)]})
	}
	for range d.IntN(5) {
		tag := event.Tag{string(d.tagName())}
		if d.IntN(5) == 0 {
			tag[0] = "emoji"
		}
		for range d.IntN(3) {
			tag = append(tag, d.tagValue())
		}
		e.Tags = append(e.Tags, tag)
	}
	for d.IntN(4) == 0 && len(e.Tags) < manyTags {
		for range manyTags {
			e.Tags = append(e.Tags, event.Tag{"x", fmt.Sprint(len(e.Tags))})
		}
	}
	return e
}

// some returns up to most values, sorted and each once; nil: not asked for.
func some[T any](d dice, most int, one func() T, compare func(a, b T) int) []T {
	if d.IntN(3) > 0 {
		return nil
	}
	out := []T{}
	for range d.IntN(most + 1) {
		out = append(out, one())
	}
	slices.SortFunc(out, compare)
	return slices.CompactFunc(out, func(a, b T) bool { return compare(a, b) == 0 })
}

func (d dice) geohash() string { return "u33dc1v0"[:1+d.IntN(4)] + string(geohash.Alphabet[d.IntN(4)]) }

// placeTag is the name of a tag that names a cell, and what stands before it.
func (d dice) placeTag() (name, before string) {
	if d.IntN(3) == 0 {
		return "I", "geo:"
	}
	return "g", ""
}

// places is a `#g` or `#I` of cells and regions.
func (d dice) places() event.TagFilter {
	name, before := d.placeTag()
	var values []string
	for range 1 + d.IntN(3) {
		values = append(values, `"`+before+d.geohash()+[]string{"", "*"}[d.IntN(2)]+`"`)
	}
	f, err := event.ParseFilter([]byte(`{"#` + name + `":[` + strings.Join(values, ",") + `]}`))
	if err != nil {
		panic(err)
	}
	return f.Tags[0]
}

func (d dice) filter() *event.Filter {
	f := &event.Filter{
		IDs:     some(d, 3, d.id, event.CompareIDs),
		Authors: some(d, 10, d.pubKey, event.ComparePubKeys),
		Kinds:   some(d, 10, d.kind, func(a, b uint16) int { return int(a) - int(b) }),
	}
	for _, name := range []byte("Eept") {
		if v := some(d, 3, d.tagValue, strings.Compare); v != nil && d.IntN(2) == 0 {
			f.Tags = append(f.Tags, event.TagFilter{Name: name, Values: v})
		}
	}
	if d.IntN(4) == 0 {
		f.Tags = append(f.Tags, d.places())
	}
	if d.IntN(4) == 0 {
		f.Since = d.time()
	}
	if d.IntN(6) == 0 {
		f.Until, f.HasUntil = d.time(), true
	}
	if d.IntN(3) == 0 {
		f.Limit, f.HasLimit = d.IntN(3), true
	}
	return f
}

// However subscriptions come and go, an event reaches those that asking each
// filter of each would find, once.
func TestIndexFindsWhatAskingEverybodyFinds(t *testing.T) {
	for seed := range uint64(20) {
		d := dice{rand.New(rand.NewPCG(seed, 7))}
		var x Index[int]
		type known struct {
			sub     *Sub[int]
			filters []*event.Filter
			got     *counter
		}
		var subs []known
		met := 0
		for step := range 1500 {
			switch n := d.IntN(10); {
			case n < 3:
				k := known{got: new(counter)}
				for range d.IntN(4) {
					f := d.filter()
					if len(subs) > 0 && d.IntN(3) == 0 { // as somebody else has
						if of := subs[d.IntN(len(subs))].filters; len(of) > 0 {
							f = of[d.IntN(len(of))]
						}
					}
					k.filters = append(k.filters, f)
				}
				k.sub = NewSub("x", k.got)
				x.Add(k.sub, k.filters)
				k.sub.GoLive(0)
				subs = append(subs, k)
			case n < 5 && len(subs) > 0:
				i := d.IntN(len(subs))
				x.Remove(subs[i].sub)
				subs = slices.Delete(subs, i, i+1)
			default:
				e := d.event()
				want := 0
				for _, k := range subs {
					k.got.n = 0
				}
				got := x.Deliver(0, e, 0)
				for _, k := range subs {
					hit := 0
					if slices.ContainsFunc(k.filters, func(f *event.Filter) bool { return f.Matches(e) }) {
						hit = 1
						want++
					}
					if k.got.n != hit {
						t.Fatalf("seed %d step %d: %+v came %d times, want %d, to %s", seed, step, e, k.got.n, hit, show(k.filters))
					}
				}
				if got != want {
					t.Fatalf("Deliver says %d, want %d", got, want)
				}
				met += want
			}
		}
		if met < 100 {
			t.Fatalf("only %d deliveries: a weak test", met)
		}
		for _, k := range subs {
			x.Remove(k.sub)
			x.Remove(k.sub)
		}
		x.checkEmpty(t)
	}
}

func show(fs []*event.Filter) string {
	var out []byte
	for _, f := range fs {
		out = f.Append(out)
	}
	return string(out)
}

func (x *Index[P]) checkEmpty(t *testing.T) {
	t.Helper()
	n := len(x.ids.at.m) + len(x.authors.at.m) + len(x.tags.at.m) + len(x.kinds.at.m) + len(x.all.at.m)
	if s := x.Stats(); n+s.Subs+s.Filters+len(x.kindSets.m) != 0 {
		t.Fatalf("left behind: %d values, %d kind sets, %+v", n, len(x.kindSets.m), s)
	}
	for _, e := range x.entries.list {
		if e != nil {
			t.Fatalf("left behind: %+v", e)
		}
	}
}

// Equal filters of different clients are one, though they begin at different
// times; filters that differ are not.
func TestEqualFiltersShareAnEntry(t *testing.T) {
	var x Index[int]
	for i := range 100 {
		x.Add(NewSub("a", new(counter)), []*event.Filter{{Kinds: []uint16{1}, Since: int64(i)}})
	}
	if s := x.Stats(); s.Filters != 1 || s.Subs != 100 {
		t.Fatalf("%+v", s)
	}
	tag := func(name byte, v ...string) []event.TagFilter { return []event.TagFilter{{Name: name, Values: v}} }
	for i, f := range []*event.Filter{
		{},
		{Kinds: []uint16{1, 2}},
		{IDs: []event.ID{{1}}},
		{Authors: []event.PubKey{{1}}},
		{Tags: tag('t', "ab")},
		{Tags: tag('t', "a", "b")},
		{Tags: tag('T', "ab")},
		{Tags: tag('t', "b")},
	} {
		x.Add(NewSub("b", new(counter)), []*event.Filter{f})
		if s := x.Stats(); s.Filters != i+2 {
			t.Fatalf("%s is taken for another", show([]*event.Filter{f}))
		}
	}
}

// A search, and a filter that cannot match, bring nothing live.
func TestFiltersThatMatchNothing(t *testing.T) {
	var x Index[int]
	got := new(counter)
	s := NewSub("a", got)
	x.Add(s, []*event.Filter{{Search: "x"}, {Kinds: []uint16{}}, {Since: 2, Until: 1, HasUntil: true}})
	s.GoLive(0)
	if x.Deliver(0, &event.Event{}, 0) != 0 || got.n != 0 || x.Stats() != (Stats{Subs: 1}) {
		t.Fatal("something matched")
	}
	x.Remove(s)
	x.checkEmpty(t)
}

// Deliver allocates nothing, however many it reaches.
func TestDeliverAllocatesNothing(t *testing.T) {
	x, _ := crowd(1000)
	for name, e := range map[string]*event.Event{
		"nobody": {PubKey: person(1 << 30), Kind: 999},
		"many":   {PubKey: person(3), Kind: 1, Tags: []event.Tag{{"t", "nostr"}, {"p", "x"}}},
	} {
		if n := testing.AllocsPerRun(200, func() { x.Deliver(0, e, 0) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func person(n int) (pk event.PubKey) {
	binary.BigEndian.PutUint32(pk[:], uint32(n)*2654435761)
	binary.BigEndian.PutUint32(pk[28:], uint32(n))
	return pk
}

// crowd is n clients' subscriptions as they are found: home feeds of 300
// authors, notifications, hashtags, global feeds. Popularity falls off as 1/n.
func crowd(n int) (*Index[int], *rand.Zipf) {
	r := rand.New(rand.NewPCG(1, 2))
	people := rand.NewZipf(r, 1.1, 50, 200_000)
	x := new(Index[int])
	sink := new(counter)
	for i := range n {
		s := NewSub("s", sink)
		x.Add(s, []*event.Filter{someFilter(i, r, people)})
		s.GoLive(0)
	}
	return x, people
}

func someFilter(i int, r *rand.Rand, people *rand.Zipf) *event.Filter {
	f := &event.Filter{Since: 1_700_000_000 + int64(i)}
	switch i % 10 {
	case 0, 1, 2, 3:
		for range 300 {
			f.Authors = append(f.Authors, person(int(people.Uint64())))
		}
		slices.SortFunc(f.Authors, event.ComparePubKeys)
		f.Authors = slices.Compact(f.Authors)
		f.Kinds = [][]uint16{{1, 6}, {1, 6, 30023}, {1}, {1, 6, 7, 9735}}[i%4]
	case 4, 5, 6, 7:
		f.Kinds = []uint16{1, 6, 7, 9735}
		pk := person(i)
		f.Tags = []event.TagFilter{{Name: 'p', Values: []string{pk.String()}}}
	case 8:
		f.Kinds = []uint16{1}
		f.Tags = []event.TagFilter{{Name: 't', Values: []string{fmt.Sprint("tag", r.IntN(1+i/20))}}}
	default:
		f.Kinds = []uint16{30311, uint16(30000 + i%7)}
	}
	return f
}

// happening is an event as they come: notes and reactions, with a few tags.
func happening(r *rand.Rand, people *rand.Zipf) *event.Event {
	e := &event.Event{PubKey: person(int(people.Uint64())), Kind: []uint16{1, 1, 7, 7, 6, 0, 3, 30311}[r.IntN(8)], CreatedAt: 1_800_000_000}
	for range r.IntN(4) {
		pk := person(int(people.Uint64()))
		e.Tags = append(e.Tags, event.Tag{"p", pk.String()}, event.Tag{"e", pk.String(), "", "root"})
	}
	if r.IntN(4) == 0 {
		e.Tags = append(e.Tags, event.Tag{"t", fmt.Sprint("tag", r.IntN(100))})
	}
	return e
}
