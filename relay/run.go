package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"
)

// ErrMetricsListen says that the relay cannot listen at MetricsListen.
var ErrMetricsListen = errors.New("metrics")

// Listen opens the listening sockets, if that has not been done. Run calls it.
func (s *Server) Listen() (err error) {
	if s.ln == nil {
		s.ln, s.opsLn, err = s.settings.Load().cfg.sockets()
	}
	return err
}

// TryListen returns the error that Listen would return now, and leaves nothing open.
func (c *Config) TryListen() error {
	ln, ops, err := c.sockets()
	if err != nil {
		return err
	}
	if ops != nil {
		err = ops.Close()
	}
	return errors.Join(ln.Close(), err)
}

// sockets opens the listening sockets. ops is that of the metrics; nil: they have none.
func (c *Config) sockets() (ln, ops net.Listener, err error) {
	if ln, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, nil, fmt.Errorf("relay: %w", err)
	}
	if c.MetricsListen == "" {
		return ln, nil, nil
	}
	if ops, err = net.Listen("tcp", c.MetricsListen); err != nil {
		ln.Close()
		return nil, nil, fmt.Errorf("relay: %w: %w", ErrMetricsListen, err)
	}
	return ln, ops, nil
}

// Addr is the address that Listen opened; nil before.
func (s *Server) Addr() net.Addr {
	if s.ln == nil {
		return nil
	}
	return s.ln.Addr()
}

// MetricsAddr is the address of MetricsListen; nil if there is none.
func (s *Server) MetricsAddr() net.Addr {
	if s.opsLn == nil {
		return nil
	}
	return s.opsLn.Addr()
}

// Run listens and serves until ctx ends, then shuts down in order: see
// shutdown. It is called once. An error says what could not be started, or what
// did not end in time.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	background, stop := context.WithCancel(context.Background()) // of what works beside the connections
	s.tasks.Go("writer", s.ingest.run)
	s.tasks.Go("fan-out", s.ingest.fanout.run)
	for range runtime.GOMAXPROCS(0) {
		s.tasks.Go("query", s.queryWorkers.run)
	}
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		s.tasks.Go("count", s.countWorkers.run)
		s.tasks.Go("sync", s.syncWorkers.run)
	}
	s.tasks.Go("idle syncs", func() {
		s.syncSweeper.sweep(background, func() time.Duration { return s.settings.Load().cfg.Sync.Idle })
	})
	s.tasks.Go("pings", func() { s.keeper.Run(background) })
	if s.watcher != nil {
		s.tasks.Go("watch", func() { s.watcher.Run(background) })
	}
	s.tasks.Go("sweeper", func() { s.sweep(background) })
	s.tasks.Go("reviewer", func() { s.review(background) })
	if s.self != nil {
		s.tasks.Go("self", func() { s.self.run(background) })
	}
	s.chains.start(background, &s.tasks, s.log)
	s.chains.begin(s.settings.Load().chain)
	failed := make(chan error, 2)
	s.serve(s.ln, s, failed)
	if s.opsLn != nil {
		s.serve(s.opsLn, http.HandlerFunc(s.serveOps), failed)
	}
	s.ready.Store(true)
	s.log.Info("listening", "addr", s.ln.Addr())
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, s.shutdown(stop))
}

// serve starts an HTTP server on ln.
func (s *Server) serve(ln net.Listener, h http.Handler, failed chan<- error) {
	shaking := newHandshakes(s.limits.Handshakes, s.met.refused.WithLabelValues(string(refuseSilent)))
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      s.settings.Load().cfg.WriteTimeout, // ends with the upgrade to a WebSocket
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ConnState:         shaking.state,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.servers = append(s.servers, server)
	s.tasks.Go("http", func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("relay: %s: %w", ln.Addr(), err)
		}
	})
}

// Expired events are hidden at once and removed within sweepEvery, at most
// sweepMost in one step, so that the writer is not held up.
const sweepEvery = time.Minute

// sweep has expired events removed (NIP-40) until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	for pause(ctx, sweepEvery) {
		s.ingest.sweep()
		s.replay.Sweep()
	}
}

// reviewEvery is how often Server.review looks for a change.
const reviewEvery = time.Second

// review ends what is open and not allowed any more, until ctx ends. A session
// that is at work is passed over: what it sends is asked about as it is sent.
func (s *Server) review(ctx context.Context) {
	last := s.reviewed()
	for pause(ctx, reviewEvery) {
		if now := s.reviewed(); now != last {
			last = now
			s.reviewAll()
		}
	}
}

// reviewed is what reviewAll depends on.
func (s *Server) reviewed() [2]uint64 {
	st := s.settings.Load()
	return [2]uint64{st.generation(), st.chain.Generation()}
}

func (s *Server) reviewAll() {
	st := s.settings.Load()
	for _, c := range s.conns.list() {
		c.mayStay(st)
		if c.turn.TryLock() {
			c.review()
			c.turn.Unlock()
		}
	}
}
