package relay

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// serveOps is the handler of MetricsListen.
func (s *Server) serveOps(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/healthz", "/readyz":
		s.serveHealth(w, r)
		return
	case "/metrics":
		if s.serveMetrics(w, r) {
			return
		}
	default:
		if s.servePprof(w, r) {
			return
		}
	}
	http.NotFound(w, r)
}

// serveHealth says whether the process lives, and whether it takes connections.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == "/readyz" && !s.ready.Load() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// serveMetrics reports whether there are metrics to serve.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) bool {
	if !s.settings.Load().cfg.Metrics || s.deps.Metrics == nil {
		return false
	}
	promhttp.HandlerFor(s.deps.Metrics, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return true
}

// servePprof reports whether the path is one of the profiler's, and it is on.
func (s *Server) servePprof(w http.ResponseWriter, r *http.Request) bool {
	const root = "/debug/pprof/"
	if !s.settings.Load().cfg.Pprof || !strings.HasPrefix(r.URL.Path, root) {
		return false
	}
	switch strings.TrimPrefix(r.URL.Path, root) {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
	return true
}

// serveNodeinfo is what monitors of the fediverse ask for (nodeinfo 2.1).
func (s *Server) serveNodeinfo(w http.ResponseWriter, r *http.Request) {
	st := s.settings.Load()
	allowAll(w.Header())
	var v any
	if r.URL.Path != "/nodeinfo/2.1" {
		o := originOf(r, st.cfg.TrustedProxies).url.Value()
		base := "http" + strings.TrimPrefix(o, "ws")
		v = map[string]any{"links": []any{map[string]string{
			"rel":  "http://nodeinfo.diaspora.software/ns/schema/2.1",
			"href": base + "/nodeinfo/2.1",
		}}}
	} else {
		v = map[string]any{
			"version":           "2.1",
			"software":          map[string]string{"name": "moa", "version": st.cfg.Info.Version, "homepage": st.cfg.Info.Software},
			"protocols":         []string{"nostr"},
			"services":          map[string]any{"inbound": []string{}, "outbound": []string{}},
			"openRegistrations": !st.info.Limitation.RestrictedWrites,
			"usage":             map[string]any{"users": map[string]any{}, "localPosts": s.deps.Store.Stats().Events},
			"metadata":          map[string]any{"features": st.info.NIPs},
		}
	}
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	send(w, r, "application/json", body)
}
