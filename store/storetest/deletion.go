package storetest

import (
	"context"
	"fmt"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/store"
)

// deletes makes a kind 5 event.
func deletes(by event.PubKey, createdAt int64, tags ...event.Tag) *event.Event {
	return Make(by, event.KindDeletion, createdAt, "", tags...)
}

func eTag(e *event.Event) event.Tag { return tag("e", e.ID.String()) }

func aTag(kind uint16, pk event.PubKey, d string) event.Tag {
	return tag("a", fmt.Sprintf("%d:%s:%s", kind, pk, d))
}

var nip09 = []conformanceTest{
	{"NIP09_01_served_though_targets_are_unknown", func(x *check) {
		unknown := Make(alice, 1, 1, "never seen")
		d := deletes(alice, 5, eTag(unknown), tag("e", "rubbish"), tag("e"), tag("a", "x:y"), tag("k", "1"))
		x.commit(store.Stored, d)
		x.holds(d)
	}},
	{"NIP09_02_own_events_only", func(x *check) {
		a, b := Make(alice, 1, 9, "a"), Make(bob, 1, 8, "b")
		d := deletes(alice, 10, eTag(a), eTag(b))
		x.commit(store.Stored, a, b, d)
		x.holds(d, b)
		x.misses(a)
	}},
	{"NIP09_03_address_up_to_its_time", func(x *check) {
		address := aTag(30023, alice, "a:b:c")
		v1 := Make(alice, 30023, 100, "", tag("d", "a:b:c"))
		other := Make(alice, 30023, 99, "", tag("d", "a"))
		d := deletes(alice, 100, address)
		x.commit(store.Stored, v1, other, d)
		x.misses(v1)
		x.commit(store.Deleted, v1, Make(alice, 30023, 50, "", tag("d", "a:b:c")))
		x.reopen()
		x.commit(store.Deleted, v1)
		v2 := Make(alice, 30023, 101, "", tag("d", "a:b:c"))
		x.commit(store.Stored, v2)
		x.finds(query(`{"kinds":[30023]}`), v2, other)
		older := deletes(alice, 60, address)
		x.commit(store.Stored, older) // takes nothing back of the later one
		x.commit(store.Deleted, Make(alice, 30023, 80, "", tag("d", "a:b:c")))
		x.finds(query(`{"kinds":[30023]}`), v2, other)
	}},
	{"NIP09_03_replaceable_address", func(x *check) {
		profile, list := Make(alice, 0, 10, ""), Make(alice, 10002, 10, "")
		x.commit(store.Stored, profile, list)
		x.commit(store.Stored, deletes(alice, 11, aTag(0, alice, ""), tag("a", "10002:"+alice.String())))
		x.misses(profile, list)
		x.commit(store.Deleted, profile)
		newer := Make(alice, 0, 12, "")
		x.commit(store.Stored, newer)
		x.finds(query(`{"kinds":[0]}`), newer)
	}},
	{"NIP09_03_signer_of_the_address", func(x *check) {
		v := Make(alice, 30023, 10, "", tag("d", "x"))
		x.commit(store.Stored, v, deletes(bob, 20, aTag(30023, alice, "x")))
		x.finds(query(`{"kinds":[30023]}`), v)
		x.commit(store.Duplicate, v)
	}},
	{"NIP09_04_before_the_target", func(x *check) {
		a, v := Make(alice, 1, 50, ""), Make(alice, 30023, 50, "", tag("d", "x"))
		x.commit(store.Stored, deletes(alice, 50, eTag(a), aTag(30023, alice, "x")))
		x.commit(store.Deleted, a, v)
		x.reopen()
		x.commit(store.Deleted, a, v)
		x.misses(a, v)
	}},
	{"NIP09_04_by_id_whatever_the_time", func(x *check) {
		late := Make(alice, 1, 900, "")
		x.commit(store.Stored, late, deletes(alice, 50, eTag(late)))
		x.misses(late)
	}},
	{"NIP09_04_k_alone_deletes_nothing", func(x *check) {
		a := Make(alice, 1, 1, "")
		d := deletes(alice, 5, tag("k", "1"))
		x.commit(store.Stored, a, d)
		x.holds(d, a)
	}},
	{"NIP09_05_stays_deleted", func(x *check) {
		a := Make(alice, 1, 1, "")
		x.commit(store.Stored, a, deletes(alice, 2, eTag(a)))
		x.commit(store.Deleted, a, a)
	}},
	{"NIP09_05_in_one_batch", func(x *check) {
		a := Make(alice, 1, 1, "")
		d := deletes(alice, 2, eTag(a))
		got, err := x.Commit(context.Background(), now, []*event.Event{a, d, a})
		x.noError(err)
		if got[0].Outcome != store.Stored || got[1].Outcome != store.Stored || got[2].Outcome != store.Deleted {
			x.Fatalf("outcomes %v", got)
		}
		x.holds(d)
	}},
	{"NIP09_06_strangers_block_nothing", func(x *check) {
		a := Make(alice, 1, 1, "")
		x.commit(store.Stored, deletes(bob, 5, eTag(a)), a)
		x.finds(query(`{"kinds":[1]}`), a)
	}},
	{"NIP09_07_deletions_are_not_deleted", func(x *check) {
		a := Make(alice, 1, 1, "")
		d := deletes(alice, 2, eTag(a))
		before := deletes(alice, 1, tag("e", "x"))
		d2 := deletes(alice, 3, eTag(d), eTag(before))
		x.commit(store.Stored, a, d, d2, before)
		x.holds(d2, d, before)
		x.commit(store.Deleted, a)
	}},
	{"NIP09_08_recipients_delete_wraps", func(x *check) {
		for i, kind := range []uint16{event.KindGiftWrap, event.KindEphemeralWrap} {
			wrap := Make(Key(50+i), kind, 10, "", tag("p", carol.String()), tag("p", bob.String()))
			coming := Make(Key(60+i), kind, 11, "", tag("p", bob.String()))
			note := Make(Key(70+i), 1, 12, "", tag("p", bob.String()))
			x.commit(store.Stored, wrap, note)
			x.commit(store.Stored, deletes(alice, int64(20+i), eTag(wrap))) // not hers
			x.finds(query(fmt.Sprintf(`{"kinds":[%d]}`, kind)), wrap)
			x.commit(store.Stored, deletes(bob, int64(20+i), eTag(wrap), eTag(coming), eTag(note)))
			x.misses(wrap)
			x.commit(store.Deleted, wrap, coming)
			x.finds(query(fmt.Sprintf(`{"authors":["%s"]}`, note.PubKey)), note)
		}
	}},
	{"NIP09_09_count", func(x *check) {
		a, b := Make(alice, 1, 1, "", tag("t", "x")), Make(alice, 1, 2, "", tag("t", "x"))
		x.commit(store.Stored, a, b, deletes(alice, 3, eTag(a)))
		x.counts(query(`{"#t":["x"]}`), 1)
		x.counts(query(`{"kinds":[1]}`), 1)
		x.counts(query(`{"authors":["`+alice.String()+`"],"kinds":[1]}`), 1)
	}},
	{"NIP09_10_vanish_requests_stay", func(x *check) {
		v := Make(alice, event.KindVanish, 5, "", tag("relay", "ALL_RELAYS"))
		d := deletes(alice, 6, eTag(v))
		x.commit(store.Stored, v, d)
		x.holds(d, v)
		x.commit(store.Vanished, Make(alice, 1, 5, ""))
	}},
	{"NIP09_many_targets", func(x *check) {
		var notes []*event.Event
		var tags []event.Tag
		for i := range 300 {
			n := Make(alice, 1, int64(i), fmt.Sprint(i), tag("t", "x"))
			notes = append(notes, n)
			tags = append(tags, eTag(n))
		}
		_, err := x.Commit(context.Background(), now, notes[:250])
		x.noError(err)
		d := deletes(alice, 1000, tags...)
		x.commit(store.Stored, d)
		x.holds(d)
		x.reopen()
		x.commit(store.Deleted, notes...)
		x.holds(d)
	}},
	{"NIP09_thousands_of_targets", func(x *check) {
		const many = 3000
		var all []*event.Event
		var tags []event.Tag
		for i := range many {
			by, kind, more := alice, uint16(1), []event.Tag{tag("t", "x")}
			switch i % 6 {
			case 1:
				by = bob // not hers
			case 2:
				by, kind, more = bob, event.KindGiftWrap, append(more, tag("p", alice.String()))
			case 3:
				kind, more = 30023, append(more, tag("d", fmt.Sprint(i)))
			}
			e := Make(by, kind, int64(i), fmt.Sprint(i), more...)
			if all = append(all, e); i%6 == 3 {
				tags = append(tags, aTag(30023, alice, fmt.Sprint(i)))
			} else {
				tags = append(tags, eTag(e))
			}
		}
		_, err := x.Commit(context.Background(), now, all)
		x.noError(err)
		// A profile that was dated in milliseconds, and an event that comes later.
		wrong, right, late := Make(alice, 0, now*1000, "wrong"), Make(alice, 0, now, "right"), Make(alice, 1, 7, "late")
		short := expiring(alice, 1, 8, now+10)
		x.commit(store.Stored, wrong, short)
		d := deletes(alice, many+1, append(tags, eTag(wrong), eTag(late), eTag(short))...)
		x.commit(store.Stored, d)
		x.counts(query(`{"#t":["x"]}`), many/6)
		x.counts(query(`{"authors":["`+alice.String()+`"]}`), 1)
		x.misses(wrong, short, all[0], all[2], all[3], all[many-1], all[many-2])
		x.commit(store.Deleted, late, wrong, all[0], all[2], all[3], all[many-1], all[many-2])
		x.commit(store.Duplicate, all[1], all[many-5], d)
		x.commit(store.Stored, right) // what is deleted bars nothing
		n, err := x.Expire(context.Background(), now+10, many)
		x.noError(err)
		if n != 0 {
			x.Fatalf("expired %d, want none: it was deleted before", n)
		}
		x.reopen()
		x.commit(store.Deleted, late, wrong, all[0], all[many-4], all[many-1])
		x.counts(query(`{"#t":["x"]}`), many/6)
		x.finds(query(`{"kinds":[0]}`), right)
		testwait.Eventually(x, fmt.Sprintf("%d events are left", many/6+2), func() bool { return x.Stats().Events == many/6+2 })
	}},
	{"A_version_that_is_gone_bars_nothing", func(x *check) {
		// A profile that was dated in milliseconds, and its author takes it back.
		wrong, right := Make(alice, 0, now*1000, "wrong"), Make(alice, 0, now, "right")
		undo := deletes(alice, now, eTag(wrong))
		x.commit(store.Stored, wrong)
		x.commit(store.Stale, right)
		x.commit(store.Stored, undo)
		x.reopen()
		x.commit(store.Stored, right)
		x.commit(store.Deleted, wrong)
		x.commit(store.Stale, Make(alice, 0, now-1, "older"))
		x.finds(query(`{"kinds":[0]}`), right)
		x.reopen()
		x.finds(query(`{"kinds":[0]}`), right)
	}},
	{"What_was_replaced_does_not_return", func(x *check) {
		for i, tags := range [][]event.Tag{{}, {tag("d", "x")}, {tag("d", "x"), tag("d", "y")}} {
			kind := []uint16{0, 30023, 30023}[i]
			pk := Key(700 + i)
			v := func(at int64) *event.Event { return Make(pk, kind, at, "", tags...) }
			x.commit(store.Stored, v(10), v(20), deletes(pk, 21, eTag(v(20))))
			x.commit(store.Stale, v(10), v(9))
			x.reopen()
			x.commit(store.Stale, v(10), v(9))
			x.commit(store.Stored, v(15), v(16), deletes(pk, 22, eTag(v(16))))
			x.commit(store.Stale, v(10), v(15), v(12))
			x.commit(store.Deleted, v(16))
			x.commit(store.Stored, v(17), deletes(pk, 23, eTag(v(17))), v(18))
		}
	}},
}

func expiring(pk event.PubKey, kind uint16, createdAt, at int64, tags ...event.Tag) *event.Event {
	return Make(pk, kind, createdAt, "", append(tags, tag("expiration", fmt.Sprint(at)))...)
}

var nip40 = []conformanceTest{
	{"NIP40_01_expired_on_arrival", func(x *check) {
		x.commit(store.Expired, expiring(alice, 1, 1, now), expiring(alice, 1, 2, now-1), expiring(alice, 1, 3, 0))
		x.commit(store.Stored, expiring(alice, 1, 4, now+1))
	}},
	{"NIP40_01_not_served", func(x *check) {
		a, b := expiring(alice, 1, 1, now+10, tag("t", "x")), Make(alice, 1, 2, "", tag("t", "x"))
		x.commit(store.Stored, a, b)
		for _, f := range []string{`{}`, `{"kinds":[1]}`, `{"#t":["x"]}`, `{"authors":["` + alice.String() + `"]}`} {
			q := query(f)
			x.finds(q, b, a)
			q.Now = now + 9
			x.counts(q, 2)
			q.Now = now + 10
			x.finds(q, b)
			x.counts(q, 1)
		}
		q := query(`{"ids":["` + a.ID.String() + `"]}`)
		q.Now = now + 11
		x.finds(q)
		x.counts(q, 0)
	}},
	{"NIP40_03_older_version_stays_away", func(x *check) {
		old, brief := Make(alice, 0, 1, ""), expiring(alice, 0, 2, now+10)
		x.commit(store.Stored, old, brief)
		n, err := x.Expire(context.Background(), now+10, 100)
		x.noError(err)
		if n != 1 {
			x.Fatalf("expired %d, want 1", n)
		}
		x.commit(store.Stale, old)
		x.holds()
		x.commit(store.Stored, Make(alice, 0, 2, "between"))
	}},
	{"NIP40_03_expired_version_bars_nothing", func(x *check) {
		old, brief := Make(alice, 0, 1, ""), expiring(alice, 0, 2, now+10)
		x.commit(store.Stored, brief)
		x.commit(store.Stale, old)
		if n, err := x.Expire(context.Background(), now+10, 100); n != 1 || err != nil {
			x.Fatalf("expired %d, %v; want 1", n, err)
		}
		x.commit(store.Stored, old)
		x.holds(old)
	}},
	{"NIP40_03_nor_before_it_is_removed", func(x *check) {
		for i, reopened := range []bool{false, true} {
			pk := Key(900 + i)
			first, second := Make(pk, 30023, 1, "", tag("d", "x")), Make(pk, 30023, 2, "", tag("d", "x"))
			brief, better := expiring(pk, 30023, 9, now+10, tag("d", "x"), tag("d", "y")), Make(pk, 30023, 5, "", tag("d", "x"))
			x.commit(store.Stored, first, second, brief)
			x.commit(store.Stale, better)
			if reopened {
				x.reopen()
			}
			for _, c := range []struct {
				e    *event.Event
				want store.Outcome
			}{{brief, store.Expired}, {second, store.Stale}, {first, store.Stale}, {better, store.Stored}, {brief, store.Expired}} {
				if got, err := x.Commit(context.Background(), now+10, []*event.Event{c.e}); err != nil || got[0].Outcome != c.want {
					x.Fatalf("created at %d: outcome %v, %v, want %v", c.e.CreatedAt, got, err, c.want)
				}
			}
			x.finds(query(`{"authors":["`+pk.String()+`"]}`), better)
		}
		if n, err := x.Expire(context.Background(), now+10, 100); n != 0 || err != nil {
			x.Fatalf("expired %d, %v; want 0", n, err)
		}
	}},
	{"NIP40_04_removed", func(x *check) {
		var all []*event.Event
		for i := range 10 {
			all = append(all, expiring(alice, 1, int64(i), now+int64(i)+1, tag("t", "x")))
		}
		keep := Make(bob, 1, 1, "")
		x.commit(store.Stored, all...)
		x.commit(store.Stored, keep)
		expire := func(at int64, most, want int) {
			x.Helper()
			n, err := x.Expire(context.Background(), at, most)
			x.noError(err)
			if n != want {
				x.Fatalf("expired %d, want %d", n, want)
			}
		}
		expire(now, 10, 0)
		expire(now+5, 2, 2)
		expire(now+5, 10, 3)
		x.reopen()
		if n := x.Stats().Events; n != 6 {
			x.Fatalf("%d events are left, want 6", n)
		}
		expire(now+100, 5, 5)
		expire(now+100, 5, 0)
		x.holds(keep)
		x.misses(all...)
	}},
}

func vanish(pk event.PubKey, createdAt int64) *event.Event {
	return Make(pk, event.KindVanish, createdAt, "", tag("relay", "ALL_RELAYS"))
}

var nip62 = []conformanceTest{
	{"NIP62_01_everything_up_to_its_time", func(x *check) {
		mine := []*event.Event{
			Make(alice, 1, 10, ""), Make(alice, 0, 20, ""), Make(alice, 30023, 30, "", tag("d", "x")),
			deletes(alice, 40, tag("e", "x")), Make(alice, 1, 100, "same second"),
		}
		newer, others := Make(alice, 1, 101, ""), Make(bob, 1, 10, "", tag("p", alice.String()))
		wraps := []*event.Event{
			Make(Key(30), event.KindGiftWrap, 90, "", tag("p", alice.String())),
			Make(Key(31), event.KindGiftWrap, 100, "", tag("p", bob.String()), tag("p", alice.String())),
		}
		late := Make(Key(32), event.KindGiftWrap, 101, "", tag("p", alice.String()))
		x.commit(store.Stored, mine...)
		x.commit(store.Stored, newer, others, late)
		x.commit(store.Stored, wraps...)
		v := vanish(alice, 100)
		x.commit(store.Stored, v)
		check := func() {
			x.Helper()
			x.misses(mine...)
			x.misses(wraps...)
			if n := x.Stats().Events; n != 4 {
				x.Fatalf("%d events are left, want 4", n)
			}
			x.commit(store.Vanished, mine...)
			x.commit(store.Vanished, wraps...) // 5: blocked like the author's own
			x.commit(store.Duplicate, newer, others, late, v)
		}
		check()
		x.reopen()
		check()
	}},
	{"NIP62_03_newer_events_are_welcome", func(x *check) {
		x.commit(store.Stored, vanish(alice, 100))
		x.commit(store.Vanished, Make(alice, 1, 100, ""), Make(alice, 0, 1, ""))
		x.commit(store.Stored, Make(alice, 1, 101, ""), Make(alice, 0, 101, ""))
	}},
	{"NIP62_04_the_later_cutoff_wins", func(x *check) {
		v1, v2 := vanish(alice, 100), vanish(alice, 200)
		x.commit(store.Stored, v2)
		x.commit(store.Vanished, v1)
		x.commit(store.Vanished, Make(alice, 1, 150, ""))
		x.holds(v2)
		v3 := vanish(alice, 300)
		x.commit(store.Stored, v3)
		x.holds(v3)
	}},
	{"NIP62_01_in_one_batch", func(x *check) {
		a, v, b := Make(alice, 1, 1, ""), vanish(alice, 10), Make(alice, 1, 2, "")
		after := Make(alice, 1, 11, "")
		got, err := x.Commit(context.Background(), now, []*event.Event{a, v, b, after})
		x.noError(err)
		want := []store.Outcome{store.Stored, store.Stored, store.Vanished, store.Stored}
		for i := range want {
			if got[i].Outcome != want[i] {
				x.Fatalf("outcomes %v, want %v", got, want)
			}
		}
		x.holds(after, v)
	}},
	{"NIP62_06_thousands", func(x *check) {
		var batch []*event.Event
		for i := range 1500 {
			batch = append(batch, Make(alice, 1, int64(i), "", tag("t", fmt.Sprint(i))))
		}
		keep := Make(bob, 1, 3, "")
		_, err := x.Commit(context.Background(), now, append(batch, keep))
		x.noError(err)
		v := vanish(alice, 5000)
		x.commit(store.Stored, v)
		x.holds(v, keep)
		x.counts(query(`{"#t":["7"]}`), 0)
	}},
}
