package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"moa/relay/origin"
	"moa/store"
)

// serveOps is the handler of MetricsListen.
func (s *Server) serveOps(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		s.serveHealth(w, r, true)
		return
	}
	if h := s.inside(r); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// serveInside serves, beside the relay, what shows the process's inside. It
// reports whether the path is such a one. Requests from elsewhere are refused: the
// figures tell which clients come when, and a profile costs.
func (s *Server) serveInside(w http.ResponseWriter, r *http.Request) bool {
	if s.opsLn != nil {
		return false
	}
	h := s.inside(r)
	if h == nil {
		return false
	}
	public := r.URL.Path == metricsPath && s.settings.Load().cfg.MetricsPublic
	if !public && !fromHere(r) {
		http.Error(w, "only for this machine; see [metrics] in the relay's configuration", http.StatusForbidden)
		return true
	}
	h.ServeHTTP(w, r)
	return true
}

// fromHere reports a request of this machine's own, which no proxy, trusted or
// not, has forwarded from elsewhere.
func fromHere(r *http.Request) bool {
	return !origin.Forwarded(r.Header) && origin.Peer(r.RemoteAddr).IsLoopback() && unnamed(r.Host)
}

// unnamed reports a host that is an address, or this machine: any other name may
// be a web page's, which its owner has let point here (DNS rebinding).
func unnamed(host string) bool {
	host = origin.Name(host)
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}

const metricsPath = "/metrics"

// inside is the handler of a path that shows the process's inside; nil: it is
// none, or is turned off.
func (s *Server) inside(r *http.Request) http.Handler {
	cfg := &s.settings.Load().cfg
	switch {
	case r.URL.Path == metricsPath && cfg.Metrics && s.deps.Metrics != nil:
		return promhttp.HandlerFor(s.deps.Metrics, promhttp.HandlerOpts{})
	case strings.HasPrefix(r.URL.Path, pprofRoot) && cfg.Pprof:
		return http.HandlerFunc(servePprof)
	}
	return nil
}

// serveHealth says whether the process lives, and whether it takes connections and
// events. What else an operator should act on is shown to this machine only.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request, inside bool) {
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path != "/readyz" {
		fmt.Fprintln(w, "ok")
		return
	}
	if !s.ready.Load() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	d, _ := s.store.(store.Doctor)
	if d == nil {
		fmt.Fprintln(w, "ok")
		return
	}
	var troubles string
	if inside {
		for _, text := range d.Troubles() {
			troubles += "\n" + text
		}
	}
	switch err := d.Ready(); {
	case err == nil:
		fmt.Fprintln(w, "ok"+troubles)
	case errors.Is(err, store.ErrFull):
		http.Error(w, "the disk is full: no events are stored"+troubles, http.StatusServiceUnavailable)
	default:
		http.Error(w, "events cannot be stored"+troubles, http.StatusServiceUnavailable)
	}
}

const pprofRoot = "/debug/pprof/"

func servePprof(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, pprofRoot) {
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
}

// serveNodeinfo is what monitors of the fediverse ask for (nodeinfo 2.1).
func (s *Server) serveNodeinfo(w http.ResponseWriter, r *http.Request) {
	st := s.settings.Load()
	allowAll(w.Header(), readOnly)
	var v any
	if r.URL.Path != "/nodeinfo/2.1" {
		o := origin.Of(r, st.cfg.TrustedProxies).To.Value().URL
		base := "http" + strings.TrimPrefix(o, "ws")
		v = map[string]any{"links": []any{map[string]string{
			"rel":  "http://nodeinfo.diaspora.software/ns/schema/2.1",
			"href": base + "/nodeinfo/2.1",
		}}}
	} else {
		v = map[string]any{
			"version":           "2.1",
			"software":          software(&st.cfg.Info),
			"protocols":         []string{"nostr"},
			"services":          map[string]any{"inbound": []string{}, "outbound": []string{}},
			"openRegistrations": !st.info.Limitation.RestrictedWrites,
			"usage":             map[string]any{"users": map[string]any{}, "localPosts": s.store.Stats().Events},
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

// software is what nodeinfo says about the program; a homepage must be a URL.
func software(i *Info) map[string]string {
	out := map[string]string{"name": softwareName, "version": i.Version}
	if i.Software != "" {
		out["homepage"] = i.Software
	}
	return out
}
