package relay

import (
	"context"
	"time"

	"moa/relay/ws"
)

// shutdown ends the relay in this order, all of it within ShutdownGrace:
//
//  1. /readyz says 503, and no connection is accepted any more.
//  2. Each session is stopped between two messages. What it has sent is
//     committed and answered, its outbox is flushed, it is told 1012. They are
//     spread over a part of the time, for their clients will come back at once.
//  3. The writer ends, then the fan-out, the workers and what policies run.
//
// What is not done by then is cut. stop ends what works beside the connections.
func (s *Server) shutdown(stop context.CancelFunc) error {
	grace := s.settings.Load().cfg.ShutdownGrace
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	log := s.log
	begun := time.Now()
	s.ready.Store(false)
	log.Info("shutdown: no more connections", "grace", grace)
	sessions := s.conns.close()
	s.closeHTTP(ctx)

	log.Info("shutdown: connections are closed", "connections", len(sessions))
	s.stopAll(ctx, sessions, min(grace/2, time.Duration(len(sessions))*time.Millisecond))

	tickets, _ := s.ingest.load()
	log.Info("shutdown: the writer ends", "tickets", tickets)
	s.ingest.close()
	s.queryWorkers.close()
	s.countWorkers.close()
	s.syncWorkers.close()
	stop()

	log.Info("shutdown: waiting for tasks", "running", s.tasks.String())
	err := s.tasks.Wait(ctx)
	s.end()
	s.writers.Close()
	if err != nil {
		// The store's contexts have ended too: what hung in it has a last chance.
		last, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err = s.tasks.Wait(last)
	}
	log.Info("shutdown: done", "took", time.Since(begun).Round(time.Millisecond))
	return err
}

// Unfinished is what a shutdown still waits for: connections that are open, events that
// wait to be stored and have no answer, and the goroutines that run, by name.
func (s *Server) Unfinished() (connections, events int, running string) {
	events, _ = s.ingest.load()
	return s.conns.len(), events, s.tasks.String()
}

// closeHTTP lets requests under way end, for a second.
func (s *Server) closeHTTP(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, server := range s.servers {
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	}
}

// serviceRestart is the close code that tells clients to come back (RFC 6455,
// registered with IANA).
const serviceRestart ws.Code = 1012

// stopAll stops the sessions, the last one when spread is over, and waits for
// them. Those that are still there when ctx ends are cut.
func (s *Server) stopAll(ctx context.Context, sessions []*session, spread time.Duration) {
	for i, c := range sessions {
		c.leaves(dropShutdown)
		s.tasks.Go("stop", func() { c.stop(serviceRestart, "the relay is restarting") })
		if (i+1)%64 == 0 {
			pause(ctx, spread*64/time.Duration(len(sessions)))
		}
	}
	for s.conns.len() > 0 && pause(ctx, 5*time.Millisecond) {
	}
	for _, c := range s.conns.close() {
		c.conn.CloseNow()
	}
}
