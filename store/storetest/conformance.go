package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"moa/nips/event"
	"moa/store"
)

type conformanceTest struct {
	name string
	run  func(*check)
}

var conformance = slices.Concat(nip01, nip09, nip40, nip62, removal, robustness)

var alice, bob, carol = Key(1), Key(2), Key(3)

var nip01 = []conformanceTest{
	{"NIP01_09_duplicate", func(x *check) {
		a := Make(alice, 1, 100, "a")
		x.commit(store.Stored, a)
		x.commit(store.Duplicate, a)
		x.reopen()
		x.commit(store.Duplicate, a)
		x.holds(a)
	}},
	{"NIP01_12_classes", func(x *check) {
		var all []*event.Event
		at := int64(1000)
		for _, kind := range []uint16{1, 2, 4, 44, 45, 999, 1000, 9999, 40000, 65535} { // regular
			for i := range 2 {
				at--
				e := Make(alice, kind, at, fmt.Sprint(i))
				x.commit(store.Stored, e)
				all = append(all, e)
			}
		}
		for _, kind := range []uint16{0, 3, 10000, 19999, 30000, 39999} { // one version each
			at--
			old, e := Make(alice, kind, at-1, "old"), Make(alice, kind, at, "new")
			x.commit(store.Stored, old, e)
			all = append(all, e)
			at--
		}
		x.holds(all...)
	}},
	{"NIP01_13_latest_version_only", func(x *check) {
		v1, v2, v3 := Make(alice, 0, 1, ""), Make(alice, 0, 2, ""), Make(alice, 0, 3, "")
		other := Make(bob, 0, 1, "")
		x.commit(store.Stored, v2, other)
		x.commit(store.Stale, v1)
		x.commit(store.Stored, v3)
		x.commit(store.Stale, v2, v1)
		x.holds(v3, other)
		x.misses(v1, v2)
		x.reopen()
		x.commit(store.Stale, v1)
		x.holds(v3, other)
	}},
	{"NIP01_14_lowest_id_of_equals", func(x *check) {
		low, high := pair(alice, 10002, 5)
		x.commit(store.Stored, low)
		x.commit(store.Stale, high)
		low2, high2 := pair(bob, 30023, 5, tag("d", "x"))
		x.commit(store.Stored, high2, low2)
		if event.CompareIDs(low.ID, low2.ID) < 0 {
			x.holds(low, low2)
		} else {
			x.holds(low2, low)
		}
	}},
	{"NIP01_15_same_address", func(x *check) {
		e := []*event.Event{
			Make(alice, 30000, 1, ""),
			Make(alice, 30000, 2, "", tag("d")),
			Make(alice, 30000, 3, "", tag("d", "")),
			Make(alice, 30000, 4, "", tag("d"), tag("d", "later")),
			Make(alice, 30000, 5, "", tag("d", ""), tag("d", "x")),
		}
		later := Make(alice, 30000, 1, "", tag("d", "later"))
		x.commit(store.Stored, later)
		x.commit(store.Stored, e...)
		x.holds(e[4], later)
		byD := func(d string) store.Query {
			return query(fmt.Sprintf(`{"authors":["%s"],"kinds":[30000],"#d":["%s"]}`, alice, d))
		}
		x.finds(byD("later"), later)
		x.finds(byD(""), e[4])
		x.finds(byD("x"), e[4]) // a filter sees every d tag, an address only the first
	}},
	{"NIP01_16_replaceable_ignores_d", func(x *check) {
		a, b := Make(alice, 0, 1, "", tag("d", "a")), Make(alice, 0, 2, "", tag("d", "b"))
		x.commit(store.Stored, a, b)
		x.holds(b)
		x.finds(query(fmt.Sprintf(`{"authors":["%s"],"kinds":[0],"#d":["b"]}`, alice)), b)
		x.finds(query(fmt.Sprintf(`{"authors":["%s"],"kinds":[0],"#d":["a"]}`, alice)))
	}},
	{"NIP01_17_replaced_is_gone_by_id", func(x *check) {
		a, b := Make(alice, 30023, 1, "", tag("d", "a")), Make(alice, 30023, 2, "", tag("d", "a"))
		x.commit(store.Stored, a, b)
		x.misses(a)
	}},
	{"NIP01_13_versions_in_one_batch", func(x *check) {
		v1, v2, v0 := Make(alice, 0, 1, ""), Make(alice, 0, 2, ""), Make(alice, 0, 0, "")
		got, err := x.Commit(context.Background(), now, []*event.Event{v1, v2, v2, v0})
		x.noError(err)
		want := []store.Outcome{store.Stored, store.Stored, store.Duplicate, store.Stale}
		for i, r := range got {
			if r.Outcome != want[i] {
				x.Fatalf("outcomes %v, want %v", got, want)
			}
		}
		x.holds(v2)
	}},
	{"NIP01_26_empty_list_matches_nothing", func(x *check) {
		x.commit(store.Stored, Make(alice, 1, 1, "", tag("t", "x")))
		for _, f := range []string{`{"ids":[]}`, `{"authors":[]}`, `{"kinds":[]}`, `{"#t":[]}`, `{"kinds":[1],"#e":[]}`} {
			if p := x.finds(query(f)); !p.All {
				x.Fatalf("%s: All is false", f)
			}
			x.counts(query(f), 0)
		}
		x.finds(store.Query{Now: now})
	}},
	{"NIP01_23_filters", func(x *check) {
		id := Make(carol, 1, 1, "target").ID.String()
		a := Make(alice, 1, 9, "", tag("t", "x"), tag("t", "y"), tag("e", id))
		b := Make(bob, 7, 8, "", tag("e", id), tag("p", alice.String()))
		c := Make(bob, 1, 7, "", tag("T", "x"))
		x.commit(store.Stored, c, a, b)
		for f, want := range map[string][]*event.Event{
			`{"#t":["x"]}`:                                 {a},
			`{"#t":["x","y","z"]}`:                         {a},
			`{"#T":["x"]}`:                                 {c},
			`{"#e":["` + id + `"]}`:                        {a, b},
			`{"#e":["` + id + `"],"kinds":[7]}`:            {b},
			`{"#e":["` + id + `"],"#p":["` + id + `"]}`:    {},
			`{"#p":["` + alice.String() + `"]}`:            {b},
			`{"authors":["` + bob.String() + `"]}`:         {b, c},
			`{"kinds":[1,7],"since":8}`:                    {a, b},
			`{"since":8,"until":8}`:                        {b},
			`{"since":9,"until":8}`:                        {},
			`{"until":7}`:                                  {c},
			`{"ids":["` + a.ID.String() + `"],"since":10}`: {},
		} {
			q := query(f)
			if len(want) == 0 {
				x.finds(q)
			} else {
				x.finds(q, want...)
			}
			x.counts(q, len(want))
		}
		both := query(`{"kinds":[1]}`, `{"authors":["`+bob.String()+`"]}`)
		x.finds(both, a, b, c) // c matches twice
		x.counts(both, 3)
	}},
	{"NIP01_30_order_and_ties", func(x *check) {
		low, high := pair(alice, 1, 50)
		newer, older := Make(bob, 7, 51, ""), Make(bob, 7, 49, "")
		x.commit(store.Stored, high, older, newer, low)
		x.holds(newer, low, high, older)
		x.finds(query(`{"kinds":[1,7],"limit":2}`), newer, low)
	}},
	{"NIP01_31_last_n", func(x *check) {
		var all []*event.Event
		for i := range 300 {
			all = append(all, Make(Key(i%30), []uint16{1, 6, 7}[i%3], int64(1000-i), fmt.Sprint(i)))
		}
		for _, i := range []int{7, 3, 11, 0, 1, 13, 2, 5, 4, 9, 6, 8, 10, 12} { // not in order of time
			for j := i; j < len(all); j += 14 {
				x.commit(store.Stored, all[j])
			}
		}
		x.finds(query(`{"limit":10}`), all[:10]...)
		authors := func(pks ...event.PubKey) string {
			var s []string
			for _, pk := range pks {
				s = append(s, `"`+pk.String()+`"`)
			}
			return strings.Join(s, ",")
		}
		var want []*event.Event
		for i, e := range all {
			if i%30 == 4 || i%30 == 9 {
				want = append(want, e)
			}
		}
		x.finds(query(`{"authors":[`+authors(Key(4), Key(9))+`],"limit":5}`), want[:5]...)
		x.finds(query(`{"authors":[`+authors(Key(4), Key(9))+`],"kinds":[1,6,7],"limit":5}`), want[:5]...)
	}},
	{"NIP01_30_each_filter_keeps_its_limit", func(x *check) {
		var a, b []*event.Event
		for i := range 5 {
			a = append(a, Make(alice, 1, int64(100-i), ""))
			b = append(b, Make(bob, 1, int64(50-i), ""))
		}
		x.commit(store.Stored, append(a, b...)...)
		q := query(`{"authors":["`+alice.String()+`"],"limit":2}`, `{"authors":["`+bob.String()+`"],"limit":3}`)
		if p := x.finds(q, a[0], a[1], b[0], b[1], b[2]); p.All {
			x.Fatal("All is true, though limits cut")
		}
		x.counts(q, 10) // NIP-45: limits aside
	}},
	{"NIP01_32_limits_are_clamped", func(x *check) {
		var all []*event.Event
		for i := range 9 {
			all = append(all, Make(alice, 1, int64(100-i), ""))
		}
		x.commit(store.Stored, all...)
		q := query(`{"limit":8}`)
		q.MaxLimit = 4
		x.finds(q, all[:4]...)
		q = query(`{}`)
		q.DefaultLimit = 3
		x.finds(q, all[:3]...)
		q.MaxLimit = 2
		x.finds(q, all[:2]...)
		q = query(`{"limit":0}`, `{"kinds":[1],"limit":1}`)
		x.finds(q, all[0])
		x.finds(query(`{"limit":0}`))
	}},
	{"NIP67_02_all", func(x *check) {
		var all []*event.Event
		for i := range 4 {
			all = append(all, Make(alice, 1, int64(100-i), "", tag("t", fmt.Sprint(i%2))))
		}
		x.commit(store.Stored, all...)
		for f, want := range map[string]bool{
			`{"limit":4}`: true, `{"limit":3}`: false, `{"limit":5}`: true, `{}`: true,
			`{"#t":["1"],"limit":2}`: true, `{"#t":["1"],"limit":1}`: false,
			`{"authors":["` + alice.String() + `"],"#t":["0"],"limit":2}`: true,
		} {
			if _, p, err := scan(x.Store, query(f), store.Page{Events: 1}); err != nil || !p.Done || p.All != want {
				x.Fatalf("%s: %+v, %v; want All %v", f, p, err, want)
			}
		}
		// What the reader may not see is not missing.
		q := query(`{"limit":3}`)
		q.Visible = func(r *store.Record) bool { return r.ID != all[1].ID }
		if p := x.finds(q, all[0], all[2], all[3]); !p.All {
			x.Fatal("All is false, though every visible match was found")
		}
		x.counts(q, 3)
	}},
	{"NIP01_34_up_to", func(x *check) {
		a, b := Make(alice, 1, 1, "a"), Make(alice, 1, 2, "b")
		x.commit(store.Stored, a)
		q := query(`{}`)
		q.UpTo = x.Last()
		x.commit(store.Stored, b)
		x.finds(q, a)
		x.counts(q, 1)
		if x.Last() <= q.UpTo {
			x.Fatalf("Last is %d after %d", x.Last(), q.UpTo)
		}
		x.reopen()
		x.finds(q, a)
	}},
	{"Serials_are_never_reused", func(x *check) {
		ctx := context.Background()
		e := Make(alice, 0, 1, "")
		r, err := x.Commit(ctx, now, []*event.Event{e, Make(alice, 0, 2, "")})
		x.noError(err)
		x.commit(store.Stored, Make(alice, 5, 3, "", tag("a", "0:"+alice.String()+":"), tag("e", e.ID.String())))
		last := x.Last()
		if r[0].Serial == 0 || r[1].Serial <= r[0].Serial || last <= r[1].Serial {
			x.Fatalf("serials %v, last %d", r, last)
		}
		x.reopen()
		if x.Last() < last {
			x.Fatalf("Last is %d after reopening, was %d", x.Last(), last)
		}
		r, err = x.Commit(ctx, now, []*event.Event{Make(bob, 1, 1, "")})
		x.noError(err)
		if r[0].Serial <= last || x.Last() != r[0].Serial {
			x.Fatalf("serial %d after %d, last %d", r[0].Serial, last, x.Last())
		}
	}},
}

var robustness = []conformanceTest{
	{"Strange_tags", func(x *check) {
		long := strings.Repeat("x", 3000)
		odd := []*event.Event{
			Make(alice, 30023, 20, "", tag("d", long)),
			Make(alice, 30023, 19, "", tag("d", long+"y")),
			Make(alice, 1, 18, "", tag("t", "a\x00b"), tag("t", "a")),
			Make(alice, 1, 17, "", tag("t", strings.Repeat("y", 64)), tag("r", strings.Repeat("z", 65))),
			Make(alice, 1, 16, "", tag("t", ""), tag("e", "not hex"), tag("tt", "a")),
			Make(alice, 1, 15, "", tag("t", strings.Repeat("A", 64)), tag("t", strings.Repeat("a", 64))),
		}
		x.commit(store.Stored, odd...)
		x.reopen()
		for text, want := range map[string]*event.Event{
			`{"#d":["` + long + `"]}`:                    odd[0],
			`{"#d":["` + long + `y"]}`:                   odd[1],
			`{"#t":["a\u0000b"]}`:                        odd[2],
			`{"#t":["a"]}`:                               odd[2],
			`{"#t":["` + strings.Repeat("y", 64) + `"]}`: odd[3],
			`{"#r":["` + strings.Repeat("z", 65) + `"]}`: odd[3],
			`{"#t":[""]}`:                                odd[4],
			`{"#t":["` + strings.Repeat("A", 64) + `"]}`: odd[5],
			`{"#t":["` + strings.Repeat("a", 64) + `"]}`: odd[5],
		} {
			x.finds(query(text), want)
			x.counts(query(text), 1)
		}
		x.finds(query(fmt.Sprintf(`{"authors":["%s"],"kinds":[30023],"#d":["%s"]}`, alice, long)), odd[0])
		newer := Make(alice, 30023, 30, "", tag("d", long))
		x.commit(store.Stored, newer)
		x.misses(odd[0])
	}},
	{"Far_times", func(x *check) {
		var all []*event.Event
		for _, at := range []int64{1<<63 - 1, 1 << 33, 1<<32 + 1, 1 << 32, 1<<32 - 1, 1, 0} {
			all = append(all, Make(alice, 1, at, ""))
		}
		for _, i := range []int{3, 0, 6, 1, 5, 2, 4} {
			x.commit(store.Stored, all[i])
		}
		x.holds(all...)
		x.finds(query(`{"since":4294967297}`), all[:3]...)
		x.finds(query(`{"until":1}`), all[5:]...)
	}},
	{"Pages_end_at_their_bounds", func(x *check) {
		for i := range 40 {
			x.commit(store.Stored, Make(Key(i%4), 1, int64(i/2), strings.Repeat("c", 100)))
		}
		whole, _, err := scan(x.Store, query(`{}`), store.Page{})
		x.noError(err)
		for _, page := range []store.Page{{Events: 1}, {Events: 7}, {Bytes: 1}, {Bytes: 1000}, {Work: 1}, {Work: 5}, {Events: 3, Bytes: 2000, Work: 100}} {
			got, _, err := scan(x.Store, query(`{}`), page)
			x.noError(err)
			if !slices.EqualFunc(got, whole, func(a, b store.Record) bool { return a.ID == b.ID }) {
				x.Fatalf("page %+v: %d records, want %d", page, len(got), len(whole))
			}
			n := 0
			_, err = x.Scan(query(`{}`)).Next(context.Background(), page, func(*store.Record) error { n++; return nil })
			x.noError(err)
			if page.Events > 0 && n > page.Events {
				x.Fatalf("page %+v held %d events", page, n)
			}
		}
	}},
	{"A_count_ends_its_steps_at_their_work", func(x *check) {
		for i := range 40 {
			x.commit(store.Stored, Make(Key(i%4), 1, int64(i/2), "", tag("t", "a")))
		}
		for _, q := range []store.Query{query(`{}`), query(`{"#t":["a"],"limit":3}`), query(`{"kinds":[1]}`, `{"#t":["a"]}`)} {
			sc, n, steps := x.Count(q), 0, 0
			for done := false; !done; steps++ {
				p, err := sc.Next(context.Background(), store.Page{Work: 10}, nil)
				x.noError(err)
				n, done = n+p.Found, p.Done
				if p.Found > 20 {
					x.Fatalf("%d events for 10 of work", p.Found)
				}
			}
			if n != 40 || steps < 2 {
				x.Fatalf("%d counted in %d steps", n, steps)
			}
		}
	}},
	// An index may know of a value only its first half.
	{"Values_with_the_same_beginning_are_others", func(x *check) {
		half, a, b := strings.Repeat("0123456789abcdef", 2), strings.Repeat("a", 32), strings.Repeat("b", 32)
		x.commit(store.Stored, Make(alice, 7, 1, "", tag("e", half+a)), Make(alice, 7, 2, "", tag("e", half+b)), Make(bob, 7, 3, "", tag("e", half+b)))
		for _, f := range []string{`{"#e":["` + half + a + `"]}`, `{"kinds":[7],"#e":["` + half + a + `"],"since":1}`} {
			x.counts(query(f), 1)
		}
		x.counts(query(`{"#e":["`+half+b+`"]}`), 2)
		nobody, other := alice, Make(alice, 7, 4, "")
		nobody[31], other.ID[31] = nobody[31]^1, other.ID[31]^1
		for _, f := range []string{`{"authors":["` + nobody.String() + `"]}`, `{"authors":["` + nobody.String() + `"],"kinds":[7],"since":1}`, `{"ids":["` + other.ID.String() + `"]}`} {
			x.finds(query(f))
			x.counts(query(f), 0)
		}
		x.counts(query(`{"authors":["`+nobody.String()+`","`+alice.String()+`"]}`), 2)
	}},
	{"Found_ends_a_scan", func(x *check) {
		x.commit(store.Stored, Make(alice, 1, 1, ""), Make(alice, 1, 2, ""))
		stop := errors.New("stop")
		if _, err := x.Scan(query(`{}`)).Next(context.Background(), store.Page{}, func(*store.Record) error { return stop }); err != stop {
			x.Fatalf("error %v, want that of found", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := x.Scan(query(`{}`)).Next(ctx, store.Page{}, func(*store.Record) error { return nil }); !errors.Is(err, context.Canceled) {
			x.Fatalf("error %v, want Canceled", err)
		}
		if _, err := x.Commit(ctx, now, []*event.Event{Make(alice, 1, 3, "")}); !errors.Is(err, context.Canceled) {
			x.Fatalf("error %v, want Canceled", err)
		}
	}},
	{"A_failed_commit_tells_what_it_has_stored", func(x *check) {
		var tags []event.Tag
		for i := range 500 {
			tags = append(tags, tag("t", fmt.Sprint("a long value, so that a batch is large ", i)))
		}
		batch := []*event.Event{Make(alice, 1, 1, "small")}
		for i := range 100 {
			batch = append(batch, Make(alice, 1, int64(i), "", tags...))
		}
		batch = append(batch, batch[0])
		got, err := x.Commit(&endingContext{Context: context.Background(), left: 90}, now, batch)
		if !errors.Is(err, context.Canceled) || len(got) != len(batch) {
			x.Fatalf("%d results, error %v", len(got), err)
		}
		stored := 0
		for i, r := range got {
			switch r.Outcome {
			case store.Stored:
				stored++
				x.finds(query(`{"ids":["`+batch[i].ID.String()+`"]}`), batch[i])
			case 0:
			default:
				x.Fatalf("event %d: outcome %d", i, r.Outcome)
			}
		}
		x.counts(query(`{}`), stored) // nothing is seen of the others
		x.reopen()
		for i, r := range got {
			if r.Outcome == store.Stored {
				x.finds(query(`{"ids":["`+batch[i].ID.String()+`"]}`), batch[i])
			}
		}
	}},
	{"Records_parse", func(x *check) {
		e := Make(alice, 1, 1, "c\x00\n\u2028<", tag("t", "v\x00"))
		x.commit(store.Stored, e)
		got, _, err := scan(x.Store, query(`{}`), store.Page{})
		x.noError(err)
		if p, err := got[0].Event(); err != nil || p.ID != e.ID || p.Content != e.Content {
			x.Fatalf("event %+v, %v", p, err)
		}
	}},
	{"Closed", func(x *check) {
		s := x.m.Open(x)
		x.noError(s.Close())
		if _, err := s.Commit(context.Background(), now, nil); !errors.Is(err, store.ErrClosed) {
			x.Fatalf("Commit: %v", err)
		}
		if _, err := s.Scan(query(`{}`)).Next(context.Background(), store.Page{}, nil); !errors.Is(err, store.ErrClosed) {
			x.Fatalf("Next: %v", err)
		}
		if _, err := store.Total(context.Background(), s.Count(query(`{}`))); !errors.Is(err, store.ErrClosed) {
			x.Fatalf("Count: %v", err)
		}
		if _, err := s.Expire(context.Background(), now, 1); !errors.Is(err, store.ErrClosed) {
			x.Fatalf("Expire: %v", err)
		}
		x.noError(s.Close())
	}},
}

// endingContext is canceled once it was asked so often.
type endingContext struct {
	context.Context
	left int
}

func (c *endingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}
