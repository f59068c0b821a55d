package bench

import (
	"bytes"
	"fmt"
	"slices"

	"moa/nips/event"
)

// answer is what came for a query so far.
type answer struct {
	q   *query
	got []arrived
	odd bool // something was not the expected event at the expected place
}

// arrived is one event of an answer.
type arrived struct {
	number int32        // -1: not one of ours
	e      *event.Event // nil if no event could be read
}

// take adds one event. The expected bytes at the expected place cost one
// comparison; anything else is looked into.
func (a *answer) take(v *view, raw []byte, m *measure) {
	if n := len(a.got); n < len(a.q.want) {
		if e := v.events[a.q.want[n]]; bytes.Equal(raw, e.Raw) {
			a.got = append(a.got, arrived{a.q.want[n], e})
			return
		}
	}
	e, err := event.Parse(bytes.Clone(raw))
	if err != nil {
		a.odd = true
		m.faults.add(Altered, func() string { return fmt.Sprintf("%v: %.200s", err, raw) })
		a.got = append(a.got, arrived{number: -1})
		return
	}
	number, ours := v.byID[e.ID]
	if !ours {
		number = -1
	} else if e.Sig != v.events[number].Sig {
		m.faults.add(Altered, func() string { return "another signature: " + e.ID.String() })
	}
	if n := len(a.got); n >= len(a.q.want) || a.q.want[n] != number {
		a.odd = true
	}
	a.got = append(a.got, arrived{number, e})
}

// judge names what is wrong with a complete answer.
func (a *answer) judge(v *view, m *measure, mostAllowed int) {
	if !a.odd && len(a.got) == len(a.q.want) {
		return
	}
	f := a.q.filter
	text := func() string { return a.q.class + ": " + string(f.Append(nil)) }
	if f.HasLimit && len(a.got) > f.Limit {
		m.faults.add(OverLimit, func() string { return fmt.Sprintf("%d events: %.300s", len(a.got), text()) })
	}
	seen := make(map[event.ID]bool, len(a.got))
	var before *event.Event
	for _, g := range a.got {
		if g.e == nil {
			continue
		}
		if seen[g.e.ID] {
			m.faults.add(DoubleStored, func() string { return g.e.ID.String() + " in " + text() })
			continue
		}
		seen[g.e.ID] = true
		if !f.Matches(g.e) {
			m.faults.add(WrongStored, func() string { return g.e.ID.String() + " in " + text() })
		}
		if before != nil && newestFirst(before, g.e) > 0 {
			m.faults.add(orderFault(before, g.e), text)
		}
		before = g.e
		if g.number >= 0 {
			a.forbidden(v, m, g.number, text)
		}
	}
	a.missing(v, m, seen, mostAllowed, text)
}

func orderFault(a, b *event.Event) FaultName {
	if a.CreatedAt == b.CreatedAt {
		return TieOrder
	}
	return WrongOrder
}

// forbidden names an event that must not be shown any more. By its id an old
// version may be asked for.
func (a *answer) forbidden(v *view, m *measure, number int32, text func() string) {
	fault := v.of(number).fault()
	if fault == "" || fault == ReplacedServed && a.q.filter.IDs != nil {
		return
	}
	m.faults.add(fault, func() string { return v.events[number].ID.String() + " in " + text() })
}

// missing names events that should be there: all that match, and if the answer
// is as long as it may be, all that are newer than its oldest. So events of
// others in the relay do no harm.
func (a *answer) missing(v *view, m *measure, seen map[event.ID]bool, mostAllowed int, text func() string) {
	full := a.q.filter.HasLimit && len(a.got) >= a.q.filter.Limit || mostAllowed > 0 && len(a.got) >= mostAllowed
	var oldest int64
	if full {
		last := slices.MinFunc(a.got, func(x, y arrived) int { return int(min(1, max(-1, createdAt(x)-createdAt(y)))) })
		oldest = createdAt(last)
	}
	for _, n := range a.q.want {
		e := v.events[n]
		if !seen[e.ID] && (!full || e.CreatedAt > oldest) {
			m.faults.add(MissingStored, func() string {
				return fmt.Sprintf("%s; %d came, %d match: %.300s", e.ID, len(a.got), len(a.q.want), text())
			})
		}
	}
}

func createdAt(a arrived) int64 {
	if a.e == nil {
		return 1 << 62
	}
	return a.e.CreatedAt
}
