package relay

import (
	"context"
	"time"

	"moa/policy"
)

// Reload puts another configuration and chain in force. Connections stay, and
// are held to the new limits from their next message on, but for the
// size of messages that ends a connection and the write timeout, which are those
// of the time they came.
// Listen, MetricsListen, PingEvery, IOUring, Self.Publish and the bounds of the
// queues need a restart: a change in them has no effect.
//
// A Runner that the old chain has too goes on. The chain is not in force until
// the others have started and read their lists, or loadTime is over; what only
// the old chain has works until it has answered what it was asked, or drainTime
// is over. Reload returns after that, so no policy may call it.
func (s *Server) Reload(cfg Config, chain *policy.Chain) error {
	if err := cfg.identify(s.deps.Identity); err != nil {
		return err
	}
	st, err := newSettings(cfg, s.deps.Settings(), chain, s.now)
	if err != nil {
		return err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.chains.load(st.chain)
	s.install(st)
	if err := s.Describe(); err != nil { // what operators have changed meanwhile
		return err
	}
	s.self.wake()
	s.log.Info("configuration reloaded")
	if s.chains.outgrows(st.chain) {
		if !s.drain() {
			s.log.Warn("policies are ended while questions to them are open", "waited", drainTime)
		}
		s.chains.end(st.chain)
	}
	return nil
}

// drain waits until no session asks a chain that was in force before the
// settings of now: each has handled its message, and has asked about the EVENTs
// that it had read. False: some have not within drainTime.
func (s *Server) drain() bool {
	ctx, cancel := context.WithTimeout(s.life, drainTime)
	defer cancel()
	for _, c := range s.conns.list() {
		for !c.turn.TryLock() {
			if !pause(ctx, time.Millisecond) {
				return false
			}
		}
		c.submitBatch()
		c.turn.Unlock()
	}
	return true
}
