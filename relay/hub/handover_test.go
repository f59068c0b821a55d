package hub_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/event"
	"moa/relay/hub"
	"moa/store"
)

// reader is a client that counts how often each event came.
type reader struct {
	mu   sync.Mutex
	got  map[event.ID]int
	over bool // no event may come any more
	late int
}

func (r *reader) add(id event.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		r.late++
	}
	r.got[id]++
}

// What is delivered is nothing here.
type (
	index = hub.Index[struct{}]
	sub   = hub.Sub[struct{}]
)

func (r *reader) Offer(_ *sub, e *event.Event, _ struct{}) bool { r.add(e.ID); return true }

func (*reader) Keep(*sub, *event.Event, struct{}) bool { return true }
func (*reader) Unkeep(*sub, *event.Event, struct{})    {}

func (r *reader) Handover(_ *sub, e *event.Event, _ struct{}) bool {
	if rand.N(50) == 0 {
		time.Sleep(50 * time.Microsecond) // dawdles
	}
	r.add(e.ID)
	return true
}

func number(n uint32, kind uint16) *event.Event {
	e := &event.Event{Kind: kind, CreatedAt: int64(n)}
	binary.BigEndian.PutUint32(e.ID[:], n)
	binary.BigEndian.PutUint32(e.PubKey[:], n%7)
	return e
}

// log is as much of a store as a replay needs: an event's serial is its place.
type log struct {
	mu     sync.Mutex
	events []*event.Event
}

func (l *log) commit(e *event.Event) store.Serial {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	return store.Serial(len(l.events))
}

func (l *log) last() store.Serial {
	l.mu.Lock()
	defer l.mu.Unlock()
	return store.Serial(len(l.events))
}

// replay sends what matches up to a serial, newest first, and takes its time.
func (l *log) replay(fs []*event.Filter, upTo store.Serial, r *reader) {
	l.mu.Lock()
	events := l.events[:upTo]
	l.mu.Unlock()
	for i, e := range slices.Backward(events) {
		if matches(fs, e) {
			r.add(e.ID)
		}
		if i%500 == 0 {
			time.Sleep(rand.N(200 * time.Microsecond))
		}
	}
}

func matches(fs []*event.Filter, e *event.Event) bool {
	return slices.ContainsFunc(fs, func(f *event.Filter) bool { return f.Matches(e) })
}

// Whatever moment a REQ arrives at and however long it stays, every matching
// event that was committed before its CLOSE comes exactly once, and none after
// it: with a hammering writer, and 100 subscribers that come and go all the time.
func TestStoredAndLiveMeet(t *testing.T) {
	const (
		total       = 5000
		most        = 3 * time.Second // on a slow machine fewer events must do
		subscribers = 100
	)
	var (
		st        log
		index     index
		wg        sync.WaitGroup
		delivered atomic.Uint32 // events up to this one are out
		over      atomic.Bool
		rounds    atomic.Int32
	)
	wg.Go(func() { // the writer: commit, then deliver
		defer over.Store(true)
		for n, begun := uint32(0), time.Now(); n < total && time.Since(begun) < most; n++ {
			e := number(n, uint16(1+n%2))
			serial := st.commit(e)
			if n%16 == 0 {
				time.Sleep(100 * time.Microsecond) // committed, not yet delivered
			}
			index.Deliver(serial, e, struct{}{})
			delivered.Store(n + 1)
		}
	})
	filters := func(i int) []*event.Filter {
		f := &event.Filter{Kinds: []uint16{1}}
		switch i % 3 {
		case 1: // matched in two ways
			f.Authors = []event.PubKey{{0, 0, 0, 2}, {0, 0, 0, 3}}
			return []*event.Filter{f, {Authors: f.Authors[:1], Kinds: []uint16{1, 7}}}
		case 2:
			return []*event.Filter{{Kinds: f.Kinds, Since: int64(i)}, f}
		}
		return []*event.Filter{f}
	}
	for i := range subscribers {
		wg.Go(func() {
			fs := filters(i)
			for done := false; !done; rounds.Add(1) {
				time.Sleep(rand.N(2 * time.Millisecond))
				done = over.Load() // one round more, all of it stored
				r := &reader{got: map[event.ID]int{}}
				s := hub.NewSub[struct{}]("x", r)
				index.Add(s, fs)
				upTo := st.last()
				st.replay(fs, upTo, r)
				if !s.GoLive(upTo) {
					if late := st.last() - upTo; late < mostWaiting {
						t.Errorf("too far behind after %d events", late)
						return
					}
					index.Remove(s) // it was this goroutine that stood still for so long
					continue
				}
				time.Sleep(rand.N(5 * time.Millisecond))
				sure := delivered.Load() // what was delivered while we listened
				index.Remove(s)
				r.check(t, fs, sure)
			}
		})
	}
	wg.Wait()
	t.Logf("%d events, %d subscriptions", delivered.Load(), rounds.Load())
	if s := index.Stats(); s.Subs != 0 || s.Filters != 0 {
		t.Fatalf("left behind: %+v", s)
	}
}

// check holds what came against all events up to number sure. Later ones may
// or may not have come, but not twice.
func (r *reader) check(t *testing.T, fs []*event.Filter, sure uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for n := range sure {
		e, want := number(n, uint16(1+n%2)), 0
		if matches(fs, e) {
			want = 1
		}
		if r.got[e.ID] != want {
			t.Errorf("event %d of %d came %d times, want %d", n, sure, r.got[e.ID], want)
			return
		}
	}
	for id, n := range r.got {
		if n != 1 {
			t.Errorf("event %x came %d times", id[:4], n)
		}
	}
}

// mostWaiting is how many live events may wait for a subscription's stored ones.
const mostWaiting = 1024

// A subscription whose stored events take too long ends; it does not grow.
func TestTooFarBehind(t *testing.T) {
	var index index
	r := &reader{got: map[event.ID]int{}}
	s := hub.NewSub[struct{}]("x", r)
	index.Add(s, []*event.Filter{{}})
	for n := range uint32(mostWaiting) {
		if index.Deliver(store.Serial(n+1), number(n, 1), struct{}{}) != 1 {
			t.Fatalf("event %d does not wait", n)
		}
	}
	if index.Deliver(2000, number(2000, 1), struct{}{}) != 0 {
		t.Fatal("more than the bound wait")
	}
	if s.GoLive(0) || len(r.got) != 0 {
		t.Fatal("went live with a gap")
	}
}

// After Remove nothing comes any more, though a Deliver is under way.
func TestNothingAfterRemove(t *testing.T) {
	var index index
	var wg sync.WaitGroup
	var stop atomic.Bool
	wg.Go(func() {
		for n := uint32(0); !stop.Load(); n++ {
			index.Deliver(0, number(n, 1), struct{}{})
		}
	})
	for range 2000 {
		r := &reader{got: map[event.ID]int{}}
		s := hub.NewSub[struct{}]("x", r)
		index.Add(s, []*event.Filter{{Kinds: []uint16{1}}})
		s.GoLive(0)
		index.Remove(s)
		r.mu.Lock()
		r.over = true
		r.mu.Unlock()
		if r.late > 0 {
			t.Fatal("an event came after Remove")
		}
		if s.GoLive(0) {
			t.Fatal("went live after Remove")
		}
	}
	stop.Store(true)
	wg.Wait()
}

// An event that was committed early and delivered late is not sent again, for
// as long as the subscription lives; an ephemeral one always is.
func TestLateDelivery(t *testing.T) {
	var index index
	r := &reader{got: map[event.ID]int{}}
	s := hub.NewSub[struct{}]("x", r)
	index.Add(s, []*event.Filter{{}})
	index.Deliver(4, number(4, 1), struct{}{})
	index.Deliver(0, number(100, 20001), struct{}{})
	index.Deliver(6, number(6, 1), struct{}{})
	s.GoLive(5)
	index.Deliver(5, number(5, 1), struct{}{})
	index.Deliver(7, number(7, 1), struct{}{})
	index.Deliver(0, number(101, 20001), struct{}{})
	for n, want := range map[uint32]int{4: 0, 5: 0, 6: 1, 7: 1, 100: 1, 101: 1} {
		if got := r.got[number(n, 0).ID]; got != want {
			t.Errorf("event %d came %d times, want %d", n, got, want)
		}
	}
}
