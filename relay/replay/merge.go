package replay

import (
	"context"

	"moa/nips/event"
	"moa/store"
)

// Merge returns a scan that finds events of a Buffer, or others that are not stored, among
// those of the scan of q, in its order, and of them only what its reader sees, for the
// filters that may have them. Both count toward
// the limits of q's filters, so that of a stored event, too, it must be known which
// filters match.
func Merge(stored store.Scan, events []*event.Event, q *store.Query, may func(*event.Filter) bool, sees func(*event.Event) bool) store.Scan {
	m := &merged{stored: stored, events: events, may: may, sees: sees, filters: q.Filters, left: make([]int, len(q.Filters))}
	for i, f := range q.Filters {
		m.left[i] = q.LimitOf(f)
	}
	return m
}

type merged struct {
	stored  store.Scan
	events  []*event.Event // not yet found
	may     func(*event.Filter) bool
	sees    func(*event.Event) bool
	filters []*event.Filter
	left    []int // of the filters' limits
	cut     bool  // a limit left something out
}

func (m *merged) Next(ctx context.Context, page store.Page, found func(*store.Record) error) (store.Progress, error) {
	p, err := m.stored.Next(ctx, page, func(r *store.Record) error {
		e, err := r.Event()
		if err != nil {
			return err
		}
		if err := m.before(e, found); err != nil {
			return err
		}
		if len(m.events) > 0 && m.events[0].ID == e.ID { // it was stored meanwhile
			m.events = m.events[1:]
		}
		if !m.count(e, func(*event.Filter) bool { return true }) {
			return nil
		}
		return found(r)
	})
	if err == nil && p.Done {
		err = m.before(nil, found)
	}
	p.All = p.All && !m.cut
	return p, err
}

// before finds what comes before a stored event, or all that is left.
func (m *merged) before(e *event.Event, found func(*store.Record) error) error {
	for len(m.events) > 0 && (e == nil || Compare(m.events[0], e) < 0) {
		next := m.events[0]
		m.events = m.events[1:]
		if !m.sees(next) || !m.count(next, m.may) {
			continue
		}
		r := store.Record{ID: next.ID, PubKey: next.PubKey, Kind: next.Kind, CreatedAt: next.CreatedAt, Raw: next.Raw, Stable: true}
		if err := found(&r); err != nil {
			return err
		}
	}
	return nil
}

// count counts an event for the filters that match it, of those that may have
// it, and reports whether one of them had room.
func (m *merged) count(e *event.Event, may func(*event.Filter) bool) (wanted bool) {
	matched := false
	for i, f := range m.filters {
		if !may(f) || !f.Matches(e) {
			continue
		}
		matched = true
		switch {
		case m.left[i] > 0:
			m.left[i]--
			wanted = true
		case m.left[i] == store.Unlimited:
			wanted = true
		}
	}
	m.cut = m.cut || matched && !wanted
	return wanted
}
