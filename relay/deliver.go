package relay

import (
	"time"

	"moa/nips/event"
	"moa/relay/outbox"
	"moa/relay/ws"
)

// deliver hands an accepted event to the live subscriptions: one step of the
// fan-out.
func (s *shared) deliver(b outbox.Batch, a accepted) {
	start := time.Now()
	defer func() { s.met.fanouts.Observe(time.Since(start).Seconds()) }()
	st := s.settings.Load()
	s.live.begin(b, st, a.e)
	defer s.live.end()
	if a.serial != 0 || event.Ephemeral(a.e.Kind) {
		a.chain.Saved(a.from, a.e)
	}
	if a.e.Kind == event.KindVanish && a.serial != 0 {
		s.vanished()
	}
	body := &ws.Body{Raw: a.e.Raw}
	if st.replay != nil {
		switch {
		case a.replay:
			st.replay.Deliver(a.e, func() { s.index.Deliver(0, a.e, body) })
			return
		case a.serial != 0:
			st.replay.Forget(a.e)
		}
	}
	s.index.Deliver(a.serial, a.e, body)
}
