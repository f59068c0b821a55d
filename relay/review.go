package relay

import (
	"context"
	"time"
)

// review asks about all that is open on the connection, and ends what is not
// allowed any more. The caller has the session's turn.
func (s *session) review() {
	st := s.settings.Load()
	if s.subs != nil {
		s.subs.review(st)
	}
	if s.syncs != nil {
		s.syncs.review(st)
	}
}

// reviewEvery is how often Server.review looks for a change.
const reviewEvery = time.Second

// review ends what is open and not allowed any more, until ctx ends. A session
// that is at work is passed over: what it sends is asked about as it is sent.
func (s *Server) review(ctx context.Context) {
	last := s.settings.Load().generation()
	for pause(ctx, reviewEvery) {
		now := s.settings.Load().generation()
		if now == last {
			continue
		}
		last = now
		for _, c := range s.conns.list() {
			if c.turn.TryLock() {
				c.review()
				c.turn.Unlock()
			}
		}
	}
}
