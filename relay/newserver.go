package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"moa/policy"
	"moa/relay/outbox"
	"moa/relay/places"
	"moa/relay/replay"
	"moa/relay/shares"
	"moa/relay/ws"
)

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
	if deps.Vanished == nil {
		deps.Vanished = func() {}
	}
	if deps.Settings == nil {
		deps.Settings = func() Overrides { return Overrides{} }
	}
	if err := cfg.identify(deps.Identity); err != nil {
		return nil, err
	}
	st, err := newSettings(cfg, deps.Settings(), deps.Chain, deps.Now)
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
			met:    newMetrics(deps.Metrics),
			now:    deps.Now,
			store:  deps.Store,
			ledger: shares.NewLedger(deps.Metrics),

			identity: deps.Identity,
			members:  deps.Members,
			vanished: deps.Vanished,
		},
		deps:    deps,
		keeper:  &ws.Keeper{Every: cfg.PingEvery},
		watcher: watcher,

		visits: make(chan struct{}, maxVisits),
	}
	s.places = places.Handler{Now: deps.Now, Enter: s.enter}
	s.proxies.log = deps.Log
	s.conns = newConns(s.ledger)
	s.writers = s.newWriters(cfg.IOUring)
	s.queryWorkers, s.countWorkers, s.syncWorkers = newScheduler(queryLane, s.writers), newScheduler(countLane, s.writers), newScheduler(syncLane, s.writers)
	s.syncSweeper = newSyncSweeper()
	s.life, s.end = context.WithCancel(context.Background())
	s.ingest = newIngest(&committer{store: deps.Store, log: deps.Log, met: s.met, now: deps.Now, life: s.life}, &cfg.Limits, s.writers, s.deliver)
	registerTickets(deps.Metrics, s.ingest.load)
	s.replay = replay.NewBuffer(deps.Now)
	s.replay.Register(deps.Metrics)
	s.verifier = &verifier{sig: deps.Verifier, most: runtime.GOMAXPROCS(0), met: s.met}
	if deps.Identity != nil && cfg.Self.Publish {
		s.self = s.newSelfPublisher()
	}
	s.install(st)
	return s, nil
}

// newWriters are the writers of all outboxes, with io_uring if it is wanted and
// there.
func (s *Server) newWriters(ring bool) *outbox.Writers {
	return outbox.NewWriters(outbox.Options{
		Most:  max(1, runtime.GOMAXPROCS(0)-1), // one core is for what brings more
		Plain: !s.mayRing(ring), Fail: s.ringFailed,
		Start: s.tasks.Go, Relieve: s.relieve,
	})
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

// policyPanicked is told of policies that have panicked, by their chain.
func (s *Server) policyPanicked(n *policy.Named, value any, stack []byte) {
	s.met.policyPanics.WithLabelValues(n.Name).Inc()
	if stack != nil {
		s.log.Error("a policy has panicked, its answer is a refusal", "policy", n.Name, "panic", fmt.Sprint(value), "stack", string(stack))
	}
}

// watchPanics has the chain's panics logged once for each policy, and counted.
func (s *Server) watchPanics(chain *policy.Chain) {
	for _, n := range chain.Links() {
		s.met.policyPanics.WithLabelValues(n.Name)
	}
	chain.OnPanic(s.policyPanicked)
}
