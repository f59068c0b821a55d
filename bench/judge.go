package bench

import (
	"bytes"
	"fmt"
	"slices"

	"moa/nips/event"
)

// piece is one event of an answer and the bytes that it came as; the event is
// nil if they are none.
type piece struct {
	raw []byte
	e   *event.Event
}

// answer is what came for a query so far.
type answer struct {
	q      *query
	expect []piece // what is likely to come: see query.likely
	got    []piece
	odd    bool // something was not what was expected there
	wrong  bool // a fault was named
}

func newAnswer(q *query) answer {
	expect := *q.likely.Load()
	return answer{q: q, expect: expect, got: make([]piece, 0, len(expect))}
}

// take adds one event. The expected bytes at the expected place cost one
// comparison; anything else is looked into.
func (a *answer) take(v *view, raw []byte, m *measure) {
	if n := len(a.got); n < len(a.expect) && bytes.Equal(raw, a.expect[n].raw) {
		a.got = append(a.got, a.expect[n])
		return
	}
	a.odd = true
	raw = bytes.Clone(raw)
	e, err := event.Parse(raw)
	if err != nil {
		a.fault(m, Altered, func() string { return fmt.Sprintf("%v: %.200s", err, raw) })
	} else if n, ours := v.byID[e.ID]; ours && e.Sig != v.events[n].Sig {
		a.fault(m, Altered, func() string { return "another signature: " + e.ID.String() })
	}
	a.got = append(a.got, piece{raw, e})
}

func (a *answer) fault(m *measure, name FaultName, example func() string) {
	a.wrong = true
	m.faults.add(name, example)
}

// judge names what is wrong with a complete answer. One without a fault is what
// is expected the next time: a relay may hold events of others, and write
// events in its own way.
func (a *answer) judge(v *view, m *measure, mostAllowed int) {
	if !a.odd && len(a.got) == len(a.expect) {
		return
	}
	f := a.q.filter
	text := func() string { return a.q.class + ": " + string(f.Append(nil)) }
	if f.HasLimit && len(a.got) > f.Limit {
		a.fault(m, OverLimit, func() string { return fmt.Sprintf("%d events: %.300s", len(a.got), text()) })
	}
	seen := make(map[event.ID]bool, len(a.got))
	var before *event.Event
	for _, g := range a.got {
		if g.e == nil {
			continue
		}
		if seen[g.e.ID] {
			a.fault(m, DoubleStored, func() string { return g.e.ID.String() + " in " + text() })
			continue
		}
		seen[g.e.ID] = true
		if !f.Matches(g.e) {
			a.fault(m, WrongStored, func() string { return g.e.ID.String() + " in " + text() })
		}
		if before != nil && newestFirst(before, g.e) > 0 {
			a.fault(m, orderFault(before, g.e), text)
		}
		before = g.e
		a.forbidden(v, m, g.e, text)
	}
	a.missing(v, m, seen, mostAllowed, text)
	if !a.wrong {
		a.q.likely.Store(&a.got)
	}
}

func orderFault(a, b *event.Event) FaultName {
	if a.CreatedAt == b.CreatedAt {
		return TieOrder
	}
	return WrongOrder
}

// forbidden names an event that must not be shown any more. By its id an old
// version may be asked for.
func (a *answer) forbidden(v *view, m *measure, e *event.Event, text func() string) {
	number, ours := v.byID[e.ID]
	if !ours {
		return
	}
	fault := v.of(number).fault()
	if fault == "" || fault == ReplacedServed && a.q.filter.IDs != nil {
		return
	}
	a.fault(m, fault, func() string { return e.ID.String() + " in " + text() })
}

// missing names events that should be there: all that match, and if the answer
// is as long as it may be, all that are newer than its oldest. So events of
// others in the relay do no harm.
func (a *answer) missing(v *view, m *measure, seen map[event.ID]bool, mostAllowed int, text func() string) {
	full := a.q.filter.HasLimit && len(a.got) >= a.q.filter.Limit || mostAllowed > 0 && len(a.got) >= mostAllowed
	oldest := int64(1 << 62)
	for _, g := range a.got {
		if g.e != nil {
			oldest = min(oldest, g.e.CreatedAt)
		}
	}
	for _, n := range a.q.want {
		e := v.events[n]
		if !seen[e.ID] && (!full || e.CreatedAt > oldest) {
			a.fault(m, MissingStored, func() string {
				return fmt.Sprintf("%s; %d came, %d match: %.300s", e.ID, len(a.got), len(a.q.want), text())
			})
		}
	}
}

// pieces are events as they were published.
func (v *view) pieces(numbers []int32) []piece {
	out := slices.Grow([]piece(nil), len(numbers))
	for _, n := range numbers {
		out = append(out, piece{v.events[n].Raw, v.events[n]})
	}
	return out
}
