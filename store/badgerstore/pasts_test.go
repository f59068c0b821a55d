package badgerstore

import (
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// past is a store whose history is made.
type past struct {
	*testing.T
	s     *Store
	after func(*past) // what comes after each removal by the operator
	by    int         // an author that no other history has
}

func (p *past) commit(now int64, want store.Outcome, events ...*event.Event) {
	p.Helper()
	for _, e := range events {
		r, err := p.s.Commit(p.Context(), now, []*event.Event{e})
		if err != nil || r[0].Outcome != want {
			p.Fatalf("event of kind %d of %d: %v, %v; want %v", e.Kind, e.CreatedAt, r, err, want)
		}
	}
}

func (p *past) stored(events ...*event.Event) {
	p.Helper()
	p.commit(1000, store.Stored, events...)
}

// remove is what the operator does.
func (p *past) remove(events ...*event.Event) {
	p.Helper()
	var ids []event.ID
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	if n, err := p.s.Remove(p.Context(), ids); err != nil || n != len(ids) {
		p.Fatalf("%d of %d are removed: %v", n, len(ids), err)
	}
	p.after(p)
}

func (p *past) expire(now int64) {
	p.Helper()
	if _, err := p.s.Expire(p.Context(), now, 1000); err != nil {
		p.Fatal(err)
	}
	p.after(p)
}

func (p *past) make(kind uint16, at int64, tags ...event.Tag) *event.Event {
	return storetest.Make(storetest.Key(p.by), kind, at, "", tags...)
}

// afters are what may happen between the removal of an event and its return.
var afters = map[string]func(*past){
	"at once": func(*past) {},
	"collected": func(p *past) {
		var ids []event.ID
		var batch []*event.Event
		for i := range 700 { // more than two files have room for
			e := note(99, int64(p.s.Last())*1000+int64(i))
			batch, ids = append(batch, e), append(ids, e.ID)
		}
		if _, err := p.s.Commit(p.Context(), 1000, batch); err != nil {
			p.Fatal(err)
		}
		if _, err := p.s.Remove(p.Context(), ids); err != nil {
			p.Fatal(err)
		}
		p.s.Collect(p.Context())
	},
	"restarted": func(p *past) {
		dir := p.s.opt.Dir
		mustHold(p, p.s.Close())
		p.s = smallStore(p.T, dir)
		p.s.SmallRecords()
	},
}

// pasts are histories in which something is removed that no event asks for, and comes
// again.
var pasts = map[string]func(*past){
	"a note": func(p *past) {
		e := p.make(1, 10, event.Tag{"t", "x"})
		p.stored(e)
		p.remove(e)
		p.stored(e)
	},
	"a note, three times": func(p *past) {
		e := p.make(1, 10)
		for range 3 {
			p.stored(e)
			p.remove(e)
		}
		p.stored(e)
	},
	"a note that is gone at last": func(p *past) {
		e := p.make(1, 10)
		p.stored(e)
		p.remove(e)
		p.stored(e)
		p.remove(e)
	},
	"a note that its author deletes then": func(p *past) {
		e := p.make(1, 10)
		p.stored(e)
		p.remove(e)
		p.stored(e, p.make(event.KindDeletion, 20, event.Tag{"e", e.ID.String()}))
		p.commit(1000, store.Deleted, e)
	},
	"all of an author": func(p *past) {
		all := []*event.Event{p.make(1, 1), p.make(0, 2), p.make(30023, 3, event.Tag{"d", "x"}), p.make(30023, 4, event.Tag{"d", "x"}, event.Tag{"d", "y"})}
		p.stored(all[:3]...)
		p.stored(all[3])
		p.remove(all[0], all[1], all[3])
		p.stored(all[0], all[1], all[3])
		p.commit(1000, store.Stale, all[2])
	},
	"a gift wrap": func(p *past) {
		e := storetest.Make(storetest.Key(98), event.KindGiftWrap, 10, "", event.Tag{"p", storetest.Key(p.by).String()})
		p.stored(e)
		p.remove(e)
		p.stored(e)
	},
	"a kind 5": func(p *past) {
		e := p.make(1, 10)
		asks := p.make(event.KindDeletion, 20, event.Tag{"e", e.ID.String()})
		p.stored(e, asks)
		p.remove(asks)
		p.commit(1000, store.Deleted, e)
		p.stored(asks)
		p.commit(1000, store.Deleted, e)
	},
	"a kind 5 of an address": func(p *past) {
		v := p.make(0, 10)
		asks := p.make(event.KindDeletion, 20, event.Tag{"a", "0:" + v.PubKey.String() + ":"})
		p.stored(v, asks)
		p.remove(asks)
		p.commit(1000, store.Deleted, v)
		p.stored(p.make(0, 21), asks)
	},
	"a request to vanish": func(p *past) {
		e := p.make(1, 10)
		asks := p.make(event.KindVanish, 20)
		p.stored(e, asks)
		p.remove(asks)
		p.commit(1000, store.Vanished, e, asks)
		p.stored(p.make(1, 30))
	},
	"a request to vanish that expires": func(p *past) {
		asks := p.make(event.KindVanish, 20, event.Tag{"expiration", "2000"})
		p.stored(p.make(1, 10), asks)
		p.expire(3000)
		p.commit(1000, store.Vanished, asks) // the clock was set back
		p.stored(p.make(1, 30))
	},
	"what has expired": func(p *past) {
		e, v := p.make(1, 10, event.Tag{"expiration", "2000"}), p.make(0, 10, event.Tag{"expiration", "2000"})
		p.stored(e, v)
		p.expire(3000)
		p.stored(e, v) // the clock was set back
	},
	"an older version": func(p *past) {
		older, newer := p.make(0, 10), p.make(0, 20)
		p.stored(newer)
		p.remove(newer)
		p.stored(older, newer)
	},
	"a version that nothing took the place of": func(p *past) {
		p.stored(p.make(0, 10))
		p.remove(p.make(0, 10))
		p.stored(p.make(0, 20))
	},
	"a version that has expired": func(p *past) {
		p.stored(p.make(0, 10), p.make(0, 20, event.Tag{"expiration", "2000"}))
		p.expire(3000)
		p.stored(p.make(0, 30))
	},
	"a version that has expired, and is in the way": func(p *past) {
		p.stored(p.make(0, 10), p.make(0, 20), p.make(0, 30, event.Tag{"expiration", "2000"}))
		p.commit(3000, store.Stale, p.make(0, 15)) // the last one goes all the same
		p.after(p)
		p.commit(3000, store.Stored, p.make(0, 40))
	},
	"versions that come again": func(p *past) {
		p.stored(p.make(0, 10), p.make(0, 20)) // the first bars
		p.remove(p.make(0, 20))
		p.stored(p.make(0, 30))
		p.remove(p.make(0, 30))
		p.commit(1000, store.Stale, p.make(0, 10))
		p.stored(p.make(0, 20))
	},
	"versions between": func(p *past) {
		p.stored(p.make(0, 10), p.make(0, 20))
		p.remove(p.make(0, 20))
		p.commit(1000, store.Stale, p.make(0, 9), p.make(0, 10))
		p.stored(p.make(0, 15), p.make(0, 20), p.make(0, 25))
		p.remove(p.make(0, 25))
	},
	"a version that its author deletes": func(p *past) {
		v := p.make(0, 10)
		p.stored(v, p.make(event.KindDeletion, 20, event.Tag{"e", v.ID.String()}), p.make(0, 30))
		p.remove(p.make(0, 30))
		p.stored(p.make(0, 9))
	},
}
