package bench

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"

	"moa/nips/event"
)

// fate is what became of an event that was published.
type fate uint8

const (
	unsent   fate = iota
	unsure        // sent, no answer
	accepted      // OK true
	stale         // OK false: a newer version is there
	refused       // OK false
)

// truth is what the relay has been given and what it must therefore show. An
// event's fate belongs to the connection that publishes it; everything else is
// read only while no workload publishes.
type truth struct {
	events []*event.Event
	fates  []fate
	sent   []int64 // when it left and when it was answered,
	heard  []int64 // by the clock
	clock  atomic.Int64
	byID   map[event.ID]int32
	gone   map[event.ID][]event.PubKey // deleted by these authors
	until  map[string]int64            // by address: deleted up to this time
	honour bool                        // the relay takes deletions (NIP-09)
}

func newTruth(honourDeletions bool) *truth {
	return &truth{byID: map[event.ID]int32{}, gone: map[event.ID][]event.PubKey{}, until: map[string]int64{}, honour: honourDeletions}
}

// add makes more events known and returns the number of the first.
func (t *truth) add(events []*event.Event) (first int) {
	first = len(t.events)
	for _, e := range events {
		if _, known := t.byID[e.ID]; known {
			continue
		}
		t.byID[e.ID] = int32(len(t.events))
		t.events = append(t.events, e)
		t.fates = append(t.fates, unsent)
		t.sent = append(t.sent, 0)
		t.heard = append(t.heard, 0)
		if e.Kind == event.KindDeletion {
			t.deletion(e)
		}
	}
	return first
}

// deletion notes what a deletion names, whatever becomes of it.
func (t *truth) deletion(d *event.Event) {
	for _, tag := range d.Tags {
		switch tag[0] {
		case "e":
			if id, err := event.ParseID(tag.Value()); err == nil {
				t.gone[id] = append(t.gone[id], d.PubKey)
			}
		case "a":
			t.until[tag.Value()] = max(t.until[tag.Value()], d.CreatedAt)
		}
	}
}

// depart notes that the event is on its way.
func (t *truth) depart(number int32) {
	t.fates[number] = unsure
	t.sent[number] = t.clock.Add(1)
}

// resolve notes what became of the event.
func (t *truth) resolve(number int32, f fate) {
	t.fates[number] = f
	t.heard[number] = t.clock.Add(1)
}

// doomed reports that some deletion names the event, whatever its fate.
func (t *truth) doomed(e *event.Event) bool {
	if address, ok := addressOf(e); ok && t.until[address] >= e.CreatedAt {
		return true
	}
	return slices.Contains(t.gone[e.ID], e.PubKey) && e.Kind != event.KindDeletion
}

// view is what the relay must and must not show, as of one moment.
type view struct {
	*truth
	shown []verdict // by event number
	index postings
}

// verdict is whether an event must be in an answer that it matches.
type verdict uint8

const (
	may verdict = iota
	must
	mustNotDeleted
	mustNotReplaced
	mustNotEphemeral
)

// of returns the verdict on an event; those that became known after the view
// may be shown or not.
func (v *view) of(number int32) verdict {
	if int(number) >= len(v.shown) {
		return may
	}
	return v.shown[number]
}

// fault is what it is called when a relay shows what it must not, "" if it may.
func (v verdict) fault() FaultName {
	return [...]FaultName{mustNotDeleted: DeletedServed, mustNotReplaced: ReplacedServed, mustNotEphemeral: EphemeralKept}[v]
}

// view works out what must be shown from what was accepted. Private kinds, and
// events whose fate is not certain, may be shown or not.
func (t *truth) view() *view {
	v := &view{truth: t, shown: make([]verdict, len(t.events)), index: postings{}}
	newest, deleted := map[string]int32{}, t.deletions()
	for i, e := range t.events {
		if t.fates[i] != accepted {
			continue
		}
		switch {
		case event.Ephemeral(e.Kind):
			v.shown[i] = mustNotEphemeral
			continue
		case private(e.Kind), e.Expiration != 0, e.Kind == event.KindVanish:
			continue
		case t.doomed(e):
			if t.honour && deleted[e.ID] {
				v.shown[i] = mustNotDeleted
			}
			continue
		}
		v.shown[i] = must
		v.replace(newest, int32(i))
	}
	v.unresolved(newest)
	for i := range t.events {
		if v.shown[i] == must {
			v.index.add(int32(i), t.events[i])
		}
	}
	return v
}

// deletions returns what accepted deletions name. A relay need not remember a
// deletion for a target that comes later, so only those count that left after
// their target's OK.
func (t *truth) deletions() map[event.ID]bool {
	deleted := map[event.ID]bool{}
	for i, d := range t.events {
		if d.Kind != event.KindDeletion || t.fates[i] != accepted {
			continue
		}
		for _, tag := range d.Tags {
			id, err := event.ParseID(tag.Value())
			target, known := t.byID[id]
			if err == nil && known && t.events[target].PubKey == d.PubKey && t.heard[target] < t.sent[i] {
				deleted[id] = true
			}
		}
	}
	return deleted
}

// addressOf is what versions of one thing have in common, as an `a` tag writes
// it; ok is false for an event that has no versions.
func addressOf(e *event.Event) (address string, ok bool) {
	switch {
	case event.Replaceable(e.Kind):
		return fmt.Sprintf("%d:%s:", e.Kind, e.PubKey), true
	case event.Addressable(e.Kind):
		return fmt.Sprintf("%d:%s:%s", e.Kind, e.PubKey, e.D()), true
	}
	return "", false
}

// replace lets version i take its address, or lose it.
func (v *view) replace(newest map[string]int32, i int32) {
	e := v.events[i]
	address, ok := addressOf(e)
	if !ok {
		return
	}
	old, taken := newest[address]
	if taken && !event.Newer(e.CreatedAt, e.ID, v.events[old].CreatedAt, v.events[old].ID) {
		v.shown[i] = mustNotReplaced
		return
	}
	if taken {
		v.shown[old] = mustNotReplaced
	}
	newest[address] = i
}

// private reports kinds that a relay may show to the people involved only.
func private(kind uint16) bool {
	switch kind {
	case event.KindDM, event.KindSeal, event.KindChat, event.KindFile, event.KindGiftWrap, event.KindDrop:
		return true
	}
	return false
}

// unresolved lifts the duty to show a version if a newer one was sent and got
// no answer: it may have taken its place.
func (v *view) unresolved(newest map[string]int32) {
	for i, e := range v.events {
		if v.fates[i] != unsure {
			continue
		}
		address, ok := addressOf(e)
		old, taken := newest[address]
		if ok && taken && event.Newer(e.CreatedAt, e.ID, v.events[old].CreatedAt, v.events[old].ID) {
			v.shown[old] = may
		}
	}
}

// expect returns the numbers of the events that must be in the answer, newest
// first, no more than the limit.
func (v *view) expect(f *event.Filter) []int32 {
	var out []int32
	seen := map[int32]bool{}
	for i := range v.index.candidates(f, len(v.events)) {
		if v.shown[i] == must && !seen[i] && f.Matches(v.events[i]) {
			seen[i] = true
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b int32) int { return newestFirst(v.events[a], v.events[b]) })
	if f.HasLimit && len(out) > f.Limit {
		out = slices.Clip(out[:f.Limit])
	}
	return out
}

// newestFirst is the order of an answer (NIP-01).
func newestFirst(a, b *event.Event) int {
	return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), event.CompareIDs(a.ID, b.ID))
}
