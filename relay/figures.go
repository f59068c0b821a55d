package relay

import (
	dto "github.com/prometheus/client_model/go"

	"moa/store"
)

// Figures are what a page shows of a running relay.
type Figures struct {
	Connections int
	Taken       int64 // EVENTs that were stored or relayed, since the start
	Store       store.Stats
	Troubles    []string // what an operator should act on
}

// Figures returns those of now.
func (s *Server) Figures() Figures {
	f := Figures{Connections: s.conns.len(), Store: s.store.Stats()}
	for _, of := range []fate{fateStored, fateRelayed} {
		var m dto.Metric
		if err := s.met.events[of].Write(&m); err == nil {
			f.Taken += int64(m.GetCounter().GetValue())
		}
	}
	if d, ok := s.store.(store.Doctor); ok {
		if err := d.Ready(); err != nil {
			f.Troubles = append(f.Troubles, "events cannot be stored: "+err.Error())
		}
		f.Troubles = append(f.Troubles, d.Troubles()...)
	}
	return f
}
