package relay

import (
	"time"

	"moa/nips/event"
	"moa/relay/outbox"
	"moa/relay/ws"
)

// publish passes an accepted event on to the live subscriptions.
func (s *shared) publish(b outbox.Batch, p publication) {
	start := time.Now()
	defer func() { s.met.passing.Observe(time.Since(start).Seconds()) }()
	st := s.settings.Load()
	s.live.begin(b, st, p.e)
	defer s.live.end()
	if p.serial != 0 || event.Ephemeral(p.e.Kind) {
		p.chain.Saved(p.from, p.e)
	}
	body := &ws.Body{Raw: p.e.Raw}
	if st.replay != nil {
		switch {
		case p.replay:
			st.replay.Publish(p.e, func() { s.index.Publish(0, p.e, body) })
			return
		case p.serial != 0:
			st.replay.Forget(p.e)
		}
	}
	s.index.Publish(p.serial, p.e, body)
}
