package bench

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"moa/nips/event"
)

// audience is all live subscriptions of a workload and the events they should
// hear. Filters and events are fixed before the load.
type audience struct {
	m      *measure
	truth  *truth
	first  int // the first of the truth's events that is published to it
	events []*event.Event
	subs   []*subscription
	by     map[string][]int32 // subscriptions by the narrowest field of their filter

	intended  []atomic.Int64 // when each event was meant to leave, Unix ns
	publisher []int32        // the number of the one that sent each
	delivered atomic.Int64   // to the right subscription, the first time
	due       atomic.Int64   // of these, to one that is not late
	measured  atomic.Int64   // of delivered, since the warm-up
	lastHeard atomic.Int64   // Unix ns
	foreign   atomic.Int64   // events of others that matched
	// phase names a second class for a delivery by its time; nil: none.
	phase func(time.Time) string
}

// subscription is one live filter. What it has heard belongs to the goroutine
// that reads its connection.
type subscription struct {
	filter *event.Filter
	heard  []uint64 // a bit for each event
	last   []int32  // the last event of each publisher, plus one
	eose   atomic.Bool
	closed atomic.Bool // by the relay
	// late says that it opens in the middle of the load: it may miss events.
	// Fixed before the load.
	late bool
}

// newAudience prepares for the truth's events from the first on.
func newAudience(m *measure, t *truth, first int) *audience {
	events := t.events[first:]
	return &audience{
		m: m, truth: t, first: first, events: events, by: map[string][]int32{},
		intended: make([]atomic.Int64, len(events)), publisher: make([]int32, len(events)),
	}
}

// add makes a subscription; publishers is how many send.
func (a *audience) add(f *event.Filter, publishers int) *subscription {
	sub := &subscription{filter: f, heard: make([]uint64, (len(a.events)+63)/64), last: make([]int32, publishers)}
	n := int32(len(a.subs))
	a.subs = append(a.subs, sub)
	for _, key := range subKeys(f) {
		a.by[key] = append(a.by[key], n)
	}
	return sub
}

// subKeys returns the keys under which a filter's events look for it.
func subKeys(f *event.Filter) []string {
	switch {
	case f.IDs != nil:
		return keysOf(f.IDs, func(id event.ID) string { return "i" + string(id[:]) })
	case len(f.Tags) > 0:
		t := slices.MinFunc(f.Tags, func(a, b event.TagFilter) int { return len(a.Values) - len(b.Values) })
		return keysOf(t.Values, func(v string) string { return "#" + string(t.Name) + v })
	case f.Authors != nil:
		return keysOf(f.Authors, func(pk event.PubKey) string { return "p" + string(pk[:]) })
	case f.Kinds != nil:
		return keysOf(f.Kinds, func(k uint16) string { return "k" + strconv.Itoa(int(k)) })
	}
	return []string{"*"}
}

// matching yields the subscriptions that must hear the event, each once.
func (a *audience) matching(e *event.Event) iter.Seq[*subscription] {
	keys := []string{"*", "i" + string(e.ID[:]), "p" + string(e.PubKey[:]), "k" + strconv.Itoa(int(e.Kind))}
	for _, t := range e.Tags {
		if len(t) > 1 && len(t[0]) == 1 {
			keys = append(keys, "#"+t[0]+t[1])
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	return func(yield func(*subscription) bool) {
		var seen map[int32]bool // only an event under two keys of one filter needs it
		for _, key := range keys {
			for _, n := range a.by[key] {
				if seen[n] || !a.subs[n].filter.Matches(e) {
					continue
				}
				if key[0] == '#' {
					if seen == nil {
						seen = map[int32]bool{}
					}
					seen[n] = true
				}
				if !yield(a.subs[n]) {
					return
				}
			}
		}
	}
}

// departs notes when the event was meant to leave; it is a publishing.sent.
func (a *audience) departs(number int32, publisher int, intended time.Time) {
	n := number - int32(a.first)
	a.publisher[n] = int32(publisher)
	a.intended[n].Store(intended.UnixNano())
}

// heard takes an event that reached a subscription.
func (a *audience) heard(sub *subscription, raw []byte) {
	number, e := a.truth.identify(raw, a.m)
	if e == nil {
		return
	}
	if !sub.filter.Matches(e) {
		a.m.faults.add(WrongLive, func() string { return fmt.Sprintf("%s for %s", e.ID, sub.filter.Append(nil)) })
		return
	}
	n := number - int32(a.first)
	if number < 0 || n < 0 {
		a.foreign.Add(1)
		return
	}
	word, bit := n/64, uint64(1)<<(n%64)
	if sub.heard[word]&bit != 0 {
		a.m.faults.add(DoubleLive, e.ID.String)
		return
	}
	sub.heard[word] |= bit
	at := a.intended[n].Load() // published by departs before the event left
	from := a.publisher[n]
	if sub.last[from] > n {
		a.m.faults.add(LiveOrder, func() string {
			return fmt.Sprintf("%s came after %s, which was published later on the same connection", e.ID, a.events[sub.last[from]-1].ID)
		})
	}
	sub.last[from] = max(sub.last[from], n+1)
	a.lastHeard.Store(time.Now().UnixNano())
	a.delivered.Add(1)
	if !sub.late {
		a.due.Add(1)
	}
	if !a.m.warm(time.Unix(0, at)) {
		a.measured.Add(1)
	}
	a.m.done(classDelivery, time.Unix(0, at))
	if a.phase != nil {
		a.m.record(a.phase(time.Unix(0, at)), time.Unix(0, at))
	}
}

// classDelivery is the class of the time from when an event was meant to leave
// to its arrival at a subscription.
const classDelivery = "delivery"

// tally counts what should have been heard. Only events with an OK count, and
// only subscriptions that are not late and that the relay did not close. It may
// be called while deliveries go on.
func (a *audience) tally() (expected int64) {
	for i, e := range a.events {
		if a.truth.fates[a.first+i] != accepted {
			continue
		}
		for sub := range a.matching(e) {
			if !sub.closed.Load() && !sub.late {
				expected++
			}
		}
	}
	return expected
}

// missing names what was not heard. The connections must have ended.
func (a *audience) missing() (missing int64) {
	for i, e := range a.events {
		if a.truth.fates[a.first+i] != accepted {
			continue
		}
		for sub := range a.matching(e) {
			if sub.heard[i/64]&(1<<(i%64)) != 0 || sub.closed.Load() || sub.late {
				continue
			}
			missing++
			a.m.faults.add(MissingLive, func() string { return fmt.Sprintf("%s for %s", e.ID, sub.filter.Append(nil)) })
		}
	}
	return missing
}
