package badgerstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// wide are queries of 32 filters each that look at much and find nothing.
func wide(t *testing.T, regions int) map[string]store.Query {
	t.Helper()
	queries := map[string]store.Query{}
	make := func(name string, filter func(i int) string) {
		var q store.Query
		for i := range 32 {
			f, err := event.ParseFilter([]byte(filter(i)))
			if err != nil {
				t.Fatal(err)
			}
			q.Filters = append(q.Filters, f)
		}
		queries[name] = q
	}
	quoted := func(n int, value func(i int) string) string {
		var values []string
		for i := range n {
			values = append(values, fmt.Sprintf("%q", value(i)))
		}
		return strings.Join(values, ",")
	}
	make("popular values", func(i int) string {
		return fmt.Sprintf(`{"kinds":[%d],"#t":[%s]}`, 60001+i, quoted(50, func(j int) string { return fmt.Sprint("popular ", j) }))
	})
	make("regions", func(i int) string {
		return fmt.Sprintf(`{"kinds":[%d],"#i":[%s]}`, 60001+i, quoted(regions, func(j int) string {
			return "geo:" + string("0123456789bcdefghjkmnpqrstuvwxyz"[j%32]) + string("0123456789bcdefghjkmnpqrstuvwxyz"[j/32]) + "*"
		}))
	})
	make("addresses", func(i int) string {
		return fmt.Sprintf(`{"kinds":[0,3,10002],"authors":[%s]}`, quoted(100, func(j int) string { return storetest.Key(1000*i + j).String() }))
	})
	make("empty lists", func(i int) string {
		return fmt.Sprintf(`{"#t":[%s]}`, quoted(500, func(j int) string { return fmt.Sprint("nobody's ", i, j) }))
	})
	return queries
}

// No query does more in one step than it is told to, whatever it asks for: the
// lists that it begins with, and the events that it passes over, count.
func TestAStepEndsAtItsWork(t *testing.T) {
	const bound, slack = 500, 100
	for _, hot := range []int{-1, 64} {
		t.Run(fmt.Sprintf("hot=%d", hot), func(t *testing.T) {
			s, err := Open(Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1, NoSync: true, HotMB: hot})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			const events = 2000
			for i := range events / 500 {
				var batch []*event.Event
				for j := range 500 {
					n := i*500 + j
					tags := []event.Tag{{"i", fmt.Sprintf("geo:%c%c", "0123456789bcdefghjkmnpqrstuvwxyz"[n%32], "0123456789bcdefghjkmnpqrstuvwxyz"[n/32%32])}}
					for k := range 5 {
						tags = append(tags, event.Tag{"t", fmt.Sprint("popular ", (n+k)%50)})
					}
					batch = append(batch, storetest.Make(storetest.Key(n%100), 1, int64(n), "", tags...))
				}
				mustCommit(t, s, batch...)
			}
			for name, q := range wide(t, 40) {
				least := map[string]int{ // of work: what is looked at
					"popular values": 32 * 5 * events,
					"regions":        32 * 40 * 8 * seekWork,
					"addresses":      32 * 300,
					"empty lists":    32 * 500,
				}[name]
				sc, total, steps := s.Scan(q), 0, 0
				for done := false; !done; steps++ {
					p, err := sc.Next(t.Context(), store.Page{Work: bound}, nil)
					if err != nil {
						t.Fatal(err)
					}
					if p.Work > bound+slack && (name != "addresses" || p.Work > bound+2*300) {
						t.Fatalf("%s: a step of %d", name, p.Work)
					}
					total, done = total+p.Work, p.Done
				}
				if total < least {
					t.Errorf("%s: only %d of work in %d steps, for %d", name, total, steps, least)
				}
			}
		})
	}
}

// What Visible withholds costs what it takes to parse it.
func TestWhatIsWithheldIsCharged(t *testing.T) {
	for _, hot := range []int{-1, 64} {
		s, err := Open(Options{Dir: t.TempDir(), CacheMB: 32, ReserveMB: -1, NoSync: true, HotMB: hot})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i := range 10 {
			mustCommit(t, s, storetest.Make(storetest.Key(1), 1, int64(i), strings.Repeat("x", 300<<10)))
		}
		did, _ := work(t, s.Scan(store.Query{Filters: []*event.Filter{{}}, Visible: func(*store.Record) bool { return false }}))
		if did < 10*300 {
			t.Errorf("hot %d: 3 MB withheld for %d of work", hot, did)
		}
	}
}

// A scan that is read in the smallest of steps finds what there is, while events
// come and go between any two.
func TestSmallStepsBesideCommits(t *testing.T) {
	for _, bytes := range []int64{20_000, 1 << 30} {
		s := smallStore(t, t.TempDir())
		defer s.Close()
		s.SetHotBytes(bytes)
		var stay []*event.Event
		for i := range 200 {
			e := note(i%7, int64(1000+i*10), event.Tag{"t", fmt.Sprint(i % 3)})
			stay = append(stay, e)
			mustCommit(t, s, e, note(i%7, int64(1003+i*10), event.Tag{"t", fmt.Sprint(i % 3)}))
		}
		slices.Reverse(stay)
		var q store.Query
		for i := range 3 {
			q.Filters = append(q.Filters, &event.Filter{Tags: []event.TagFilter{{Name: 't', Values: []string{fmt.Sprint(i)}}}})
		}
		q.Filters = append(q.Filters, &event.Filter{Authors: []event.PubKey{storetest.Key(3)}, Kinds: []uint16{1}})
		q.UpTo = s.Last()
		q.Visible = func(r *store.Record) bool { return r.CreatedAt%10 == 0 }
		sc, n := s.Scan(q), 0
		for i, done := 0, false; !done; i++ {
			p, err := sc.Next(t.Context(), store.Page{Work: 1 + i%5}, func(r *store.Record) error {
				if r.ID != stay[n].ID {
					return fmt.Errorf("event %d is another", n)
				}
				n++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			done = p.Done
			gone := storetest.Make(storetest.Key(i%7), 5, int64(5000+i), "", event.Tag{"e", note(i%7, int64(1003+i%200*10), event.Tag{"t", fmt.Sprint(i % 200 % 3)}).ID.String()})
			if i < 400 {
				mustCommit(t, s, gone, note(i%7, int64(1001+i*5), event.Tag{"t", fmt.Sprint(i % 3)}))
			}
		}
		if n != len(stay) {
			t.Errorf("%d found, want %d", n, len(stay))
		}
	}
}
