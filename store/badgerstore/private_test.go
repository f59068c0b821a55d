package badgerstore

import (
	"fmt"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// work returns what the store does for a query, and how many events it finds.
func work(t *testing.T, sc store.Scan) (work, found int) {
	t.Helper()
	for {
		p, err := sc.Next(t.Context(), store.Page{Work: 2048}, nil)
		if err != nil {
			t.Fatal(err)
		}
		work, found = work+p.Work, found+p.Found
		if p.Done {
			return work, found
		}
	}
}

// How long a query takes tells nobody how many private events others have.
func TestOthersPrivateEventsAreNotLookedAt(t *testing.T) {
	for _, hot := range []int{-1, 64} {
		t.Run(fmt.Sprintf("hot=%d", hot), func(t *testing.T) {
			s, err := Open(Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1, NoSync: true, HotMB: hot})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			me, victim, nobody := storetest.Key(1), storetest.Key(2), storetest.Key(3)
			p := func(pk event.PubKey) event.Tag { return event.Tag{"p", pk.String()} }
			var batch []*event.Event
			for i := range 1000 {
				batch = append(batch, storetest.Make(storetest.Key(10+i), 1059, int64(i), "", p(victim)), storetest.Make(victim, 4, int64(i), "", p(storetest.Key(9))))
			}
			for i := range 5 {
				batch = append(batch, storetest.Make(storetest.Key(10), 1059, int64(i), "", p(me)),
					storetest.Make(me, 4, int64(i), "", p(victim)), storetest.Make(victim, 4, int64(i), "", p(me)),
					storetest.Make(me, 1, int64(i), "", p(victim)), storetest.Make(victim, 1, int64(i), "", p(me)))
			}
			mustCommit(t, s, batch...)
			for _, c := range []struct {
				text string // %s is the victim, or somebody without events
				want int
				mine bool // those found are of the reader as well as of the victim
			}{
				{`{"kinds":[1059],"#p":["%s"]}`, 0, true},
				{`{"kinds":[4],"authors":["%s"]}`, 5, true},
				{`{"kinds":[4],"#p":["%s"]}`, 5, true},
				{`{"kinds":[1,1059],"#p":["%s"]}`, 5, false},
				{`{"kinds":[1,4,1059],"#p":["%s"]}`, 10, false},
				{`{"kinds":[1,4],"authors":["%s"],"limit":100}`, 10, false},
				{`{"kinds":[4],"authors":["%s"],"#p":["` + me.String() + `"]}`, 5, true},
				{`{"kinds":[4,1059]}`, 15, true},
			} {
				var did [2]int
				for i, who := range []event.PubKey{nobody, victim} {
					text := c.text
					if text != `{"kinds":[4,1059]}` {
						text = fmt.Sprintf(text, who)
					}
					f, err := event.ParseFilter([]byte(text))
					if err != nil {
						t.Fatal(err)
					}
					q := store.Query{Filters: []*event.Filter{f}, Private: &store.Private{Kinds: []uint16{4, 1059}, People: []event.PubKey{me}}}
					w, n := work(t, s.Scan(q))
					if _, counted := work(t, s.Count(q)); counted != n {
						t.Errorf("%s: %d found, %d counted", c.text, n, counted)
					}
					did[i] = w
					if who == victim && n != c.want {
						t.Errorf("%s: %d found, want %d", c.text, n, c.want)
					}
				}
				most := did[0] + 100 // for what is found
				if !c.mine {
					most += 2000 // keys are passed over, unread
				}
				if did[1] > most {
					t.Errorf("%s: %d of work, %d without others' private events", c.text, did[1], did[0])
				}
			}
		})
	}
}
