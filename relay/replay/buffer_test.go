package replay

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/geohash"
)

// fixture is a Buffer with a clock of its own.
type fixture struct {
	*Buffer
	clock time.Time
	n     uint32
}

func newFixture(cfg Config) *fixture {
	x := &fixture{clock: time.Unix(1_700_000_000, 0)}
	x.Buffer = NewBuffer(func() time.Time { return x.clock })
	x.Configure(cfg)
	return x
}

var quarter = Config{TTL: 15 * time.Minute, Kinds: []uint16{20000, 20001}, PerCell: 3, Events: 100, Bytes: 1 << 20}

// event is a new one, made that long ago.
func (x *fixture) event(kind uint16, ago time.Duration, tags ...event.Tag) *event.Event {
	x.n++
	e := &event.Event{Kind: kind, CreatedAt: x.clock.Add(-ago).Unix(), Tags: tags}
	binary.BigEndian.PutUint32(e.ID[:], x.n)
	return e
}

func (x *fixture) add(t *testing.T, events ...*event.Event) {
	t.Helper()
	for _, e := range events {
		if !x.Add(e) {
			t.Fatalf("%v is there already", e.ID)
		}
	}
}

func ask(t testing.TB, text string) []*event.Filter {
	t.Helper()
	f, err := event.ParseFilter([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return []*event.Filter{f}
}

func (x *fixture) finds(t *testing.T, text string, want ...*event.Event) {
	t.Helper()
	if got := x.Find(ask(t, text), x.Last()); !slices.Equal(got, want) {
		t.Errorf("%s: got %d events, want %d", text, len(got), len(want))
	}
}

func TestWhatIsFound(t *testing.T) {
	x := newFixture(quarter)
	older := x.event(20000, 2*time.Minute, event.Tag{"g", "u33dc1"})
	newer := x.event(20000, time.Minute, event.Tag{"g", "u33dc1"})
	other := x.event(20001, 0, event.Tag{"g", "u33e"})
	mesh := x.event(20000, 3*time.Minute, event.Tag{"r", "u33dc1"})
	x.add(t, newer, older, other, mesh)
	x.add(t, x.event(20002, 0, event.Tag{"g", "u33dc1"}), x.event(20000, 0, event.Tag{"g", "U33"}), x.event(20000, 0, event.Tag{"t", "u33dc1"}))
	x.finds(t, `{"#g":["u33dc1"],"since":1}`, newer, older)
	x.finds(t, `{"#g":["u33dc1"],"limit":1}`, newer, older) // limits are the caller's
	x.finds(t, `{"#g":["u33dc1","u33e"],"kinds":[20001],"limit":9}`, other)
	x.finds(t, `{"#g":["u33*"],"limit":9}`, other, newer, older)
	x.finds(t, `{"#g":["u33d*"],"limit":9}`, newer, older)
	x.finds(t, `{"#r":["u33dc1"],"limit":9}`, mesh)
	x.finds(t, fmt.Sprintf(`{"#g":["u33dc1"],"since":%d}`, newer.CreatedAt), newer)
	x.finds(t, fmt.Sprintf(`{"#g":["u33dc1"],"limit":9,"until":%d}`, older.CreatedAt), older)
	x.finds(t, `{"#g":["u33dc1"]}`)
	x.finds(t, `{"#g":["u33dc1"],"limit":0}`)
	x.finds(t, `{"#g":["u33dc1"],"limit":9,"search":"x"}`)
	x.finds(t, `{"kinds":[20000],"limit":9}`)
	x.finds(t, `{"#t":["u33dc1"],"limit":9}`)
	if got := x.Find(append(ask(t, `{"#g":["u33dc1"],"limit":9}`), ask(t, `{"#g":["u33*"],"limit":9}`)...), x.Last()); len(got) != 3 {
		t.Errorf("two filters: %d events", len(got))
	}
	if got := x.Find(ask(t, `{"#g":["u33*"],"limit":9}`), 1); len(got) != 1 || got[0] != newer {
		t.Errorf("of the first one alone: %d events", len(got))
	}
	if x.Add(newer) {
		t.Error("an event was taken twice")
	}
}

func TestEventsExpireExactly(t *testing.T) {
	x := newFixture(quarter)
	now := x.event(20000, 0, event.Tag{"g", "u3"})
	old := x.event(20000, 14*time.Minute, event.Tag{"g", "u3"})
	ahead := x.event(20000, -time.Hour, event.Tag{"g", "u3"})
	x.add(t, now, old, ahead, x.event(20000, 15*time.Minute, event.Tag{"g", "u3"}))
	const all = `{"#g":["u3"],"since":1}`
	x.finds(t, all, ahead, now, old)
	x.clock = x.clock.Add(time.Minute - 1)
	x.finds(t, all, ahead, now, old)
	x.clock = x.clock.Add(1)
	x.finds(t, all, ahead, now)
	x.clock = x.clock.Add(14*time.Minute - 1)
	x.finds(t, all, ahead, now)
	x.clock = x.clock.Add(1)
	x.finds(t, all)
	x.Sweep()
	if n, b := x.Size(); n != 0 || b != 0 || len(x.cells) != 0 || len(x.ids) != 0 {
		t.Errorf("%d events, %d bytes, %d cells left", n, b, len(x.cells))
	}
	short := x.event(20000, 0, event.Tag{"g", "u3"})
	short.Expiration = x.clock.Unix() + 10
	x.add(t, short)
	x.clock = x.clock.Add(9 * time.Second)
	x.finds(t, all, short)
	x.clock = x.clock.Add(time.Second)
	x.finds(t, all)
	// What is sent again has no second life.
	x.clock = x.clock.Add(time.Hour)
	x.add(t, now)
	x.finds(t, all)
}

func TestTheOldestMakesRoom(t *testing.T) {
	x := newFixture(quarter)
	var sent []*event.Event
	for range 5 {
		e := x.event(20000, 0, event.Tag{"g", "u33"})
		x.add(t, e, x.event(20001, 0, event.Tag{"g", "u33"}))
		sent = append(sent, e)
		x.clock = x.clock.Add(time.Second)
	}
	x.finds(t, `{"#g":["u33"],"kinds":[20000],"limit":9}`, sent[4], sent[3], sent[2])
	if n, _ := x.Size(); n != 6 {
		t.Errorf("%d events of two kinds, want 3 each", n)
	}
	for _, c := range []struct {
		cfg  Config
		most int
	}{
		{Config{quarter.TTL, quarter.Kinds, 3, 5, 1 << 20}, 5},
		{Config{quarter.TTL, quarter.Kinds, 3, 100, 1500}, 2},
		{Config{quarter.TTL, []uint16{20000}, 1, 100, 1 << 20}, 1},
		{Config{}, 0},
	} {
		x.Configure(c.cfg)
		if n, b := x.Size(); n > c.most || b > max(c.cfg.Bytes, 0) {
			t.Errorf("%+v: %d events, %d bytes", c.cfg, n, b)
		}
	}
	if x.Takes(sent[0]) {
		t.Error("an empty Config takes an event")
	}
}

func TestForgottenOnRequest(t *testing.T) {
	x := newFixture(quarter)
	mine, theirs := x.event(20000, 0, event.Tag{"g", "u3"}), x.event(20000, 0, event.Tag{"g", "u3"})
	mine.PubKey[0] = 1
	x.add(t, mine, theirs)
	deletion := &event.Event{Kind: 5, PubKey: mine.PubKey, Tags: []event.Tag{{"e", mine.ID.String()}, {"e", theirs.ID.String()}, {"e"}, {"e", "x"}}}
	x.Forget(deletion)
	x.finds(t, `{"#g":["u3"],"limit":9}`, theirs)
	x.Forget(&event.Event{Kind: 62, PubKey: theirs.PubKey, CreatedAt: theirs.CreatedAt - 1})
	x.finds(t, `{"#g":["u3"],"limit":9}`, theirs)
	x.Forget(&event.Event{Kind: 62, PubKey: theirs.PubKey, CreatedAt: theirs.CreatedAt})
	x.finds(t, `{"#g":["u3"],"limit":9}`)
}

// Whatever comes and goes, what is found is what walking over everything that
// was kept would find, and the books are right.
func TestFindAgreesWithAWalk(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	hash := func() string { return "u33dc"[:1+rnd.IntN(5)] + []string{"", "e", "9"}[rnd.IntN(3)] }
	x := newFixture(Config{TTL: 100 * time.Second, Kinds: []uint16{20000, 20001}, PerCell: 8, Events: 40, Bytes: 1 << 20})
	for range 3000 {
		var tags []event.Tag
		for range rnd.IntN(3) {
			tags = append(tags, event.Tag{[]string{"g", "g", "r"}[rnd.IntN(3)], hash()})
		}
		x.Add(x.event(20000+uint16(rnd.IntN(3)), time.Duration(rnd.IntN(60)-10)*time.Second, tags...))
		x.clock = x.clock.Add(time.Duration(rnd.IntN(3000)) * time.Millisecond)
		f := ask(t, fmt.Sprintf(`{"#%s":["%s%s","%s"],"limit":5,"since":%d}`, []string{"g", "r"}[rnd.IntN(2)], hash(),
			[]string{"", "*"}[rnd.IntN(2)], hash(), x.clock.Unix()-rnd.Int64N(120)))
		var want []*event.Event
		cells, bytes := 0, 0
		for at := x.order.Front(); at != nil; at = at.Next() {
			it := at.Value.(*item)
			if x.clock.Before(it.born.Add(x.cfg.TTL)) && f[0].Matches(it.Event) {
				want = append(want, it.Event)
			}
			cells += len(it.cells)
			bytes += it.cost()
		}
		slices.SortFunc(want, Compare)
		if got := x.Find(f, x.Last()); !slices.Equal(got, want) {
			t.Fatalf("%s: got %d, want %d", f[0].Append(nil), len(got), len(want))
		}
		for _, of := range x.cells {
			cells -= len(of)
			if len(of) == 0 || len(of) > 8 {
				t.Fatalf("%d events in a cell", len(of))
			}
		}
		if n, b := x.Size(); n > 40 || b != bytes || n != len(x.ids) || cells != 0 {
			t.Fatalf("%d events, %d ids, %d bytes of %d, %d cells too many", n, len(x.ids), b, bytes, cells)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	x := newFixture(Config{TTL: time.Hour, Kinds: []uint16{20000, 20001}, PerCell: 200, Events: 20_000, Bytes: 1 << 30})
	for i := range 20_000 {
		hash := "u33dc" + string(geohash.Alphabet[i%32]) + string(geohash.Alphabet[i/32%32])
		x.Add(x.event(20000, time.Duration(i%3000)*time.Second, event.Tag{"g", hash}))
	}
	for name, text := range map[string]string{"cell": `{"kinds":[20000,20001],"#g":["u33dc11"],"since":1,"limit":200}`, "region": `{"#g":["u33dc1*"],"limit":200}`} {
		f := ask(b, text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(x.Find(f, x.Last())) == 0 {
					b.Fatal("nothing")
				}
			}
		})
	}
}
