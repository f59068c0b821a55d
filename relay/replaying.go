package relay

import (
	"moa/nips/event"
	"moa/relay/hub"
	"moa/relay/replay"
	"moa/relay/ws"
	"moa/store"
)

// joinReplay is join where the last minutes of ephemeral events are kept.
func (s *session) joinReplay(st *settings, sub *hub.Sub[*ws.Body], filters []*event.Filter) (store.Scan, store.Serial) {
	kept := st.replay.Join(filters, func() { s.srv.index.Add(sub) })
	scan, upTo := s.read(st, filters)
	return s.withReplay(st, kept, filters, scan), upTo
}

// withReplay adds to a scan what is kept of ephemeral events, as far as the client
// may see it.
func (s *session) withReplay(st *settings, kept []*event.Event, filters []*event.Filter, scan store.Scan) store.Scan {
	if len(kept) == 0 {
		return scan
	}
	q := s.storeQuery(st, filters)
	return replay.Merge(scan, kept, &q, func(e *event.Event) bool {
		return s.srv.settings.Load().chain.Deliver(s, e)
	})
}
