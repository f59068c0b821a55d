package relay

import (
	"context"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"moa/nips/event"
	"moa/relay/hub"
	"moa/relay/replay"
	"moa/relay/ws"
	"moa/store"
)

// recall shows ephemeral events of the last minutes to who comes late.
type recall struct {
	ring *replay.Ring
	// meet is held while an event is added to the ring and goes to the live
	// subscriptions, and while a subscription joins those and takes the ring's
	// mark: an event is either up to that mark or live.
	meet sync.Mutex
}

// register registers the ring's figures.
func (r *recall) register(reg *prometheus.Registry) {
	if reg == nil {
		return
	}
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "moa_replay_events", Help: "Ephemeral events kept for who comes late."},
			func() float64 { n, _ := r.ring.Size(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "moa_replay_bytes", Help: "Bytes of them in memory, about."},
			func() float64 { _, n := r.ring.Size(); return float64(n) }),
	)
}

// publish passes an event that is not stored on to the live subscriptions,
// unless the ring has it: then they had it too.
func (r *recall) publish(index *hub.Index[*ws.Body], e *event.Event, body *ws.Body) {
	if !r.ring.Takes(e) {
		index.Publish(0, e, body)
		return
	}
	r.meet.Lock()
	defer r.meet.Unlock()
	if r.ring.Add(e) {
		index.Publish(0, e, body)
	}
}

// join adds a subscription to the live ones, and returns what the filters
// match of the ring.
func (r *recall) join(index *hub.Index[*ws.Body], sub *hub.Sub[*ws.Body], filters []*event.Filter) []*event.Event {
	if !slices.ContainsFunc(filters, replay.Asks) {
		index.Add(sub)
		return nil
	}
	r.meet.Lock()
	index.Add(sub)
	mark := r.ring.Last()
	r.meet.Unlock()
	return r.ring.Find(filters, mark)
}

// recalled joins events of the ring, of which the client sees what the chain
// lets it see, and a scan of stored ones.
func (s *session) recalled(st *settings, events []*event.Event, filters []*event.Filter, stored store.Scan) store.Scan {
	if len(events) == 0 {
		return stored
	}
	m := &merged{s: s, stored: stored, events: events, filters: filters, left: make([]int, len(filters))}
	q := s.storeQuery(st, filters)
	for i, f := range filters {
		m.left[i] = q.LimitOf(f)
	}
	return m
}

// merged finds events that are in memory among those of a scan, in its order.
// Both count toward the filters' limits, so that of a stored event, too, it must
// be known which filters match.
type merged struct {
	s       *session
	stored  store.Scan
	events  []*event.Event // not yet found
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
		if !m.take(e, func(*event.Filter) bool { return true }) {
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
	for len(m.events) > 0 && (e == nil || replay.Compare(m.events[0], e) < 0) {
		next := m.events[0]
		m.events = m.events[1:]
		if !m.s.srv.settings.Load().chain.Deliver(m.s, next) || !m.take(next, replay.Asks) {
			continue
		}
		r := store.Record{ID: next.ID, PubKey: next.PubKey, Kind: next.Kind, CreatedAt: next.CreatedAt, Raw: next.Raw, Stable: true}
		if err := found(&r); err != nil {
			return err
		}
	}
	return nil
}

// take counts an event for the filters that match it, of those that may have
// it, and reports whether one of them had room.
func (m *merged) take(e *event.Event, may func(*event.Filter) bool) (wanted bool) {
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
