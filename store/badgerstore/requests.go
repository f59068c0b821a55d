package badgerstore

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"moa/nips/event"
	"moa/store"
)

// request is a kind 5 or 62 whose work is under way: what it asks to be removed is
// hidden until it is done.
type request interface {
	author() event.PubKey
	job() store.Serial // of the event, and of its job key
	// step does some more. done: that was all.
	step(w *writer) (done bool, err error)
	// restart has step begin again: how much of a failed commit is there is not known.
	restart()
}

// hidden is what requests under way are to remove and have not removed yet, by
// their authors. It does not change.
type hidden map[event.PubKey]asked

// asked is what one author has asked for.
type asked struct {
	vanish    *vanish
	deletions []*deletion
	expired   []tail // of the requests themselves
}

func (a asked) none() bool { return a.vanish == nil && len(a.deletions) == 0 && len(a.expired) == 0 }

func (a asked) deletes(n *stored) bool {
	return slices.ContainsFunc(a.deletions, func(d *deletion) bool { return d.dooms(n) })
}

func (a asked) dooms(n *stored) bool {
	return a.vanish != nil && a.vanish.dooms(n.value) || slices.Contains(a.expired, n.tail) || a.deletes(n)
}

// has reports whether the event is to be removed.
func (h hidden) has(n *stored) bool { return len(h) > 0 && h.any(n, asked.dooms) }

// deletes reports it of what kind 5 events ask for.
func (h hidden) deletes(n *stored) bool { return len(h) > 0 && h.any(n, asked.deletes) }

// any asks what its author has asked for, and the recipients of a gift wrap.
func (h hidden) any(n *stored, does func(asked, *stored) bool) bool {
	if does(h[*n.pk()], n) {
		return true
	}
	if !store.GiftWrap(n.kind()) {
		return false
	}
	for entry := range n.eachEntry {
		if entry[0] == 'p' && entry[1] == classHex && does(h[event.PubKey(entry[2:])], n) {
			return true
		}
	}
	return false
}

// requests are the requests under way. The zero requests are none.
type requests struct {
	open atomic.Pointer[hidden]

	mu      sync.Mutex // guards the following; taken last
	list    []request  // in the order they came
	turn    int        // of the list, whose step is next
	working bool       // there is a goroutine that takes the steps
}

// hidden is what is hidden now. It is asked for before anything is read: what
// it lacks because it is removed must not be there to be read.
func (r *requests) hidden() hidden {
	if h := r.open.Load(); h != nil {
		return *h
	}
	return nil
}

// begin begins to hide what one asks to be removed. A later request to vanish of
// the same author reaches further, and takes the place of an earlier one. It
// reports that no goroutine takes the steps yet.
func (r *requests) begin(one request) (idle bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changeLocked(one.author(), func(a *asked) {
		switch one := one.(type) {
		case *vanish:
			a.vanish = one
		case *deletion:
			a.deletions = append(slices.Clip(a.deletions), one)
		}
	})
	r.list = append(r.list, one)
	idle = !r.working
	r.working = true
	return idle
}

// end ends it: everything is removed.
func (r *requests) end(one request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changeLocked(one.author(), func(a *asked) {
		a.expired = slices.DeleteFunc(slices.Clone(a.expired), func(t tail) bool { return t.serial() == one.job() })
		if v, ok := one.(*vanish); ok && a.vanish == v {
			a.vanish = nil
		}
		a.deletions = slices.DeleteFunc(slices.Clone(a.deletions), func(d *deletion) bool { return request(d) == one })
	})
	r.list = slices.DeleteFunc(r.list, func(other request) bool { return other == one })
}

// expire begins to hide the event of one, too.
func (r *requests) expire(one request, t *tail) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changeLocked(one.author(), func(a *asked) { a.expired = append(slices.Clip(a.expired), *t) })
}

func (r *requests) changeLocked(by event.PubKey, do func(*asked)) {
	h := hidden{}
	maps.Copy(h, r.hidden())
	a := h[by]
	do(&a)
	if h[by] = a; a.none() {
		delete(h, by)
	}
	r.open.Store(&h)
}

// next is the request whose turn it is; nil: there is none, and the
// goroutine that asks is to end.
func (r *requests) next() request {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		r.working = false
		return nil
	}
	r.turn++
	return r.list[r.turn%len(r.list)]
}

// first is the request under way that came first, or nil.
func (r *requests) first() request {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return nil
	}
	return r.list[0]
}

// of is the request under way that the event of that serial is, or nil. Such an
// event may not go: after a crash it tells what is left to do.
func (r *requests) of(n store.Serial) request {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.list, func(one request) bool { return one.job() == n }); i >= 0 {
		return r.list[i]
	}
	return nil
}

// asks is of, of an event.
func (r *requests) asks(t *tail) request {
	if kind := t.kind(); kind != event.KindDeletion && kind != event.KindVanish {
		return nil
	}
	return r.of(t.serial())
}

// Bounds of the kind 5 events under way: their targets take 32 bytes each.
const (
	mostDeletions = 256
	mostTargets   = 1 << 16
)

// overdue is the deletion that came first and is not done, if there is too much of
// them. Store.write is held.
func (r *requests) overdue() *deletion {
	r.mu.Lock()
	defer r.mu.Unlock()
	var first *deletion
	count, targets := 0, 0
	for _, one := range r.list {
		if d, ok := one.(*deletion); ok && d.left() > 0 {
			if first == nil {
				first = d
			}
			count++
			targets += d.left()
		}
	}
	if count <= 1 || count <= mostDeletions && targets <= mostTargets {
		return nil
	}
	return first
}
