// Package relay is the relay's engine: it takes what clients send through the
// policies to the store, and gives them what they ask for, stored and live. It
// serves one HTTP endpoint. It does not open the store, choose the policies or
// read a config file; cmd/moa does.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moa/nips/event"
	"moa/nips/sig"
	"moa/policy"
	"moa/relay/outbox"
	"moa/relay/places"
	"moa/relay/replay"
	"moa/relay/shares"
	"moa/relay/ws"
	"moa/store"
)

// Deps are the parts that a Server works with.
type Deps struct {
	// Store is written by this Server only. Who opened it closes it, after Run
	// has returned.
	Store store.Store
	// Chain is asked about everything. nil: messages are private (NIP-17), what is
	// from the future is refused, and everything else is accepted.
	Chain    *policy.Chain
	Verifier sig.Verifier
	Log      *slog.Logger         // nil: none
	Metrics  *prometheus.Registry // nil: counts for nobody
	Now      func() time.Time     // nil: time.Now
	// Handler answers requests that are not the relay's own: other paths, and
	// on "/" every method but GET, HEAD and OPTIONS. It sees them as they would
	// be without proxies. nil: 404 and 405.
	Handler http.Handler
	// Identity is the relay's own key: NIP-11's `self`, and what signs the event
	// about the relay. nil: it has none.
	Identity *Identity
	// Push brings an event to the relay at url. nil: the event about this relay
	// goes to no other.
	Push func(ctx context.Context, url string, e *event.Event) error
	// Describe changes the information document (NIP-11) that is sent and shown
	// for a request, which it sees like Handler. nil: nothing is changed.
	Describe func(r *http.Request, document []byte) ([]byte, error)
}

// Server is one relay. Its parts, from the socket to the disk and back:
//
//	session -> verifier -> ingest -> store
//	session <- outbox <- queries <- store
//	session <- outbox <- index <- ingest
type Server struct {
	shared

	// Fixed once made.
	deps    Deps
	conns   *conns
	ingest  *ingest
	keeper  *ws.Keeper
	watcher *ws.Watcher // nil: there is none on this system
	replay  *replay.Buffer
	places  places.Handler
	visits  chan struct{}      // those that are under way. Full: no more are let in
	self    *selfPublisher     // nil: the relay publishes nothing about itself
	end     context.CancelFunc // ends shared.life

	upgrade   atomic.Pointer[ws.Options]
	ready     atomic.Bool
	proxies   proxies
	chains    chainRunner
	reloading sync.Mutex // one Reload at a time
	relieving sync.Mutex // held to end connections for which too much waits

	// Owned by Listen, then by Run.
	ln      net.Listener
	opsLn   net.Listener // nil: metrics are served beside the relay
	servers []*http.Server
}

// New returns a Server that Run starts.
func New(cfg Config, deps Deps) (*Server, error) {
	if deps.Store == nil || deps.Verifier == nil {
		return nil, errors.New("relay: a store and a verifier are needed")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if err := cfg.identify(deps.Identity); err != nil {
		return nil, err
	}
	st, err := newSettings(cfg, deps.Chain, deps.Now)
	if err != nil {
		return nil, err
	}
	watcher, err := ws.NewWatcher()
	if err != nil {
		return nil, err
	}
	s := &Server{
		shared: shared{
			limits: cfg.Limits,
			log:    deps.Log,
			now:    deps.Now,
			store:  deps.Store,
			ledger: shares.NewLedger(deps.Metrics),
		},
		deps:    deps,
		keeper:  &ws.Keeper{Every: cfg.PingEvery},
		watcher: watcher,

		visits: make(chan struct{}, maxVisits),
	}
	s.places = places.Handler{Now: deps.Now, Enter: s.enter}
	s.proxies.log = deps.Log
	s.conns = newConns(s.ledger)
	s.writers = outbox.NewWriters(outbox.Options{
		Most:  max(1, runtime.GOMAXPROCS(0)-1), // one core is for what brings more
		Plain: !s.mayRing(cfg.IOUring), Fail: s.ringFailed,
		Start: s.tasks.Go, Relieve: s.relieve,
	})
	s.queryWorkers, s.countWorkers, s.syncWorkers = newScheduler(queryLane, s.writers), newScheduler(countLane, s.writers), newScheduler(syncLane, s.writers)
	s.syncing = newReconciler()
	s.life, s.end = context.WithCancel(context.Background())
	s.ingest = newIngest(&committer{store: deps.Store, log: deps.Log, now: deps.Now, life: s.life}, &cfg.Limits, s.writers, s.publish)
	s.met = newMetrics(deps.Metrics, s.ingest.load)
	s.replay = replay.NewBuffer(deps.Now)
	s.replay.Register(deps.Metrics)
	s.ingest.met = s.met
	s.verifier = &verifier{sig: deps.Verifier, most: runtime.GOMAXPROCS(0), met: s.met}
	if deps.Identity != nil && cfg.Self.Publish {
		s.self = s.newSelfPublisher()
	}
	s.install(st)
	return s, nil
}

// mayRing reports whether the writers may have io_uring.
func (s *Server) mayRing(wanted bool) bool {
	if !wanted {
		return false
	}
	err := ws.TrySender()
	if err != nil {
		s.log.Debug("each client that an event goes to costs a system call", "err", err)
	}
	return err == nil
}

// ringFailed is told when writers do without io_uring for a while.
func (s *Server) ringFailed(err error) {
	s.met.ringFaults.Inc()
	s.log.Warn("io_uring has failed, each client costs a system call for a minute", "err", err)
}

// install puts settings in force.
func (s *Server) install(st *settings) {
	st.nth, st.asksSince = 1, 1
	if before := s.settings.Load(); before != nil {
		st.nth, st.asksSince = before.nth+1, before.asksSince
		if st.chain.AsksMore(before.chain) {
			st.asksSince = st.nth
		}
	}
	s.watchPanics(st.chain)
	s.replay.Configure(st.cfg.Geo.Buffer())
	if st.cfg.Geo.Replay > 0 {
		st.replay = s.replay
	}
	s.settings.Store(st)
	s.ledger.SetBounds(boundsOf(&st.cfg))
	upgrade := ws.Options{
		MaxMessage:   2 * st.cfg.Limits.MessageBytes, // what is longer than once is answered
		WriteTimeout: st.cfg.WriteTimeout,
		Compression:  st.cfg.Compression,
		Keeper:       s.keeper,
		Watcher:      s.watcher,
	}
	s.upgrade.Store(upgrade.WithDefaults())
}

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
	st, err := newSettings(cfg, chain, s.now)
	if err != nil {
		return err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.chains.load(st.chain)
	s.install(st)
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

// Listen opens the listening sockets, if that has not been done. Run calls it.
func (s *Server) Listen() error {
	if s.ln != nil {
		return nil
	}
	cfg := &s.settings.Load().cfg
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	if cfg.MetricsListen != "" {
		if s.opsLn, err = net.Listen("tcp", cfg.MetricsListen); err != nil {
			ln.Close()
			return fmt.Errorf("relay: metrics: %w", err)
		}
	}
	s.ln = ln
	return nil
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
	s.tasks.Go("fan-out", s.ingest.passing.run)
	for range runtime.GOMAXPROCS(0) {
		s.tasks.Go("query", s.queryWorkers.run)
	}
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		s.tasks.Go("count", s.countWorkers.run)
		s.tasks.Go("sync", s.syncWorkers.run)
	}
	s.tasks.Go("idle syncs", func() { s.syncing.sweep(background, s.syncIdle) })
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
