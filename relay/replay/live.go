package replay

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"moa/nips/event"
)

// Deliver keeps an event and hands it to the live subscriptions, unless it is kept
// already: then they have had it.
func (b *Buffer) Deliver(e *event.Event, live func()) {
	if !b.Takes(e) {
		live()
		return
	}
	b.meet.Lock()
	defer b.meet.Unlock()
	if b.Add(e) {
		live()
	}
}

// Join lets a subscription join the live ones, and returns what its filters match
// of the events that were kept until then: every event is either among those or
// live.
func (b *Buffer) Join(filters []*event.Filter, live func()) []*event.Event {
	if !slices.ContainsFunc(filters, Asks) {
		live()
		return nil
	}
	b.meet.Lock()
	live()
	mark := b.Last()
	b.meet.Unlock()
	return b.Find(filters, mark)
}

// Register registers the Buffer's figures; nil counts for nobody.
func (b *Buffer) Register(reg *prometheus.Registry) {
	if reg == nil {
		return
	}
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "moa_replay_events", Help: "Ephemeral events kept for clients that connect later."},
			func() float64 { n, _ := b.Size(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "moa_replay_bytes", Help: "Bytes of them in memory, about."},
			func() float64 { _, n := b.Size(); return float64(n) }),
	)
}
