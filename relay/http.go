package relay

import (
	"encoding/json"
	"net/http"
	"strings"

	"moa/nips/nip11"
	"moa/policy"
	"moa/relay/origin"
	"moa/relay/places"
	"moa/relay/web"
	"moa/relay/ws"
)

// ServeHTTP is the relay's one endpoint, "/", and what belongs to it: health,
// metrics, nodeinfo and what is asked about places. It works while Run does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.requestPanicked(r)
	switch r.URL.Path {
	case "/":
		s.serveRelay(w, r, "")
	case "/.well-known/nodeinfo", "/nodeinfo/2.1":
		s.serveNodeinfo(w, r)
	case places.EventsPath, places.CellsPath, places.MapPath:
		s.serveGeo(w, r)
	case "/favicon.ico":
		s.serveIcon(w, r)
	case "/healthz", "/readyz":
		s.serveHealth(w, r, fromHere(r))
	default:
		if s.isAdminPage(r) {
			s.serveAdminPage(w, r)
		} else if path := s.pathOf(r); path != "" {
			s.serveRelay(w, r, path)
		} else if !s.serveInside(w, r) {
			s.serveOther(w, r)
		}
	}
}

// requestPanicked is to be deferred. After a panic net/http ends the connection, and
// tells of it in its own words, at debug level.
func (s *Server) requestPanicked(r *http.Request) {
	value := recover()
	if value == nil {
		return
	}
	if value != http.ErrAbortHandler {
		s.countPanic("a request over HTTP has panicked, its connection is ended", value, "path", r.URL.Path)
	}
	panic(http.ErrAbortHandler)
}

// pathOf is the path that is asked for, if it is a policy's; "" otherwise.
func (s *Server) pathOf(r *http.Request) string {
	st := s.settings.Load()
	path := strings.TrimRight(r.URL.Path, "/")
	if st.chain.OwnPath(origin.Of(r, st.cfg.TrustedProxies).To.Value().Host, path) {
		return path
	}
	return ""
}

// serveOther answers what is not the relay's own. A WebSocket is not wanted
// there: no path but a policy's makes another relay of this one (NIP-01).
func (s *Server) serveOther(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.deps.Handler != nil && !ws.Wanted(r):
		s.hand(w, r)
	case r.Method == http.MethodOptions: // a script may ask, and read that there is nothing
		allowAll(w.Header(), readOnly)
		w.WriteHeader(http.StatusNoContent)
	default:
		allowAll(w.Header(), readOnly)
		http.NotFound(w, r)
	}
}

// serveIcon has no icon: browsers ask for one unasked. The one of NIP-11 is on the
// page.
func (s *Server) serveIcon(w http.ResponseWriter, r *http.Request) {
	if s.deps.Handler != nil {
		s.hand(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=86400")
	w.WriteHeader(http.StatusNoContent)
}

// hand leaves the request to Deps.Handler.
func (s *Server) hand(w http.ResponseWriter, r *http.Request) {
	cfg := &s.settings.Load().cfg
	s.deps.Handler.ServeHTTP(paced{w, cfg.WriteTimeout}, origin.Direct(r, cfg.TrustedProxies))
}

// serveRelay is the relay at a path of address, "" for its own.
func (s *Server) serveRelay(w http.ResponseWriter, r *http.Request, path string) {
	switch {
	case ws.Wanted(r):
		s.connect(w, r, path)
	case s.isCall(r):
		s.serveCall(w, r, path)
	case r.Method == http.MethodOptions:
		methods := readOnly
		if s.deps.Handler != nil || s.manages() {
			methods = withPost
		}
		allowAll(w.Header(), methods)
		w.WriteHeader(http.StatusNoContent)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		if s.deps.Handler != nil {
			s.hand(w, r)
			return
		}
		allowAll(w.Header(), readOnly)
		w.Header().Set("Allow", readOnly)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case nip11.Wanted(r.Header.Values("Accept")):
		s.serveInfo(w, r, path)
	default:
		s.servePage(w, r, path)
	}
}

// serveInfo sends the NIP-11 document.
func (s *Server) serveInfo(w http.ResponseWriter, r *http.Request, path string) {
	allowAll(w.Header(), readOnly)
	w.Header().Set("Vary", "Accept")
	send(w, r, nip11.ContentType, s.describe(r, s.settings.Load(), path))
}

// describe is the NIP-11 document that answers r at a path.
func (s *Server) describe(r *http.Request, st *settings, path string) []byte {
	doc := st.docFor(st.scope(r, path))
	if s.deps.Describe == nil {
		return doc
	}
	var changed []byte
	err := policy.Safely(func() (err error) { // what publishes the document has no net/http that recovers
		changed, err = s.deps.Describe(origin.Direct(r, st.cfg.TrustedProxies), doc)
		return err
	})
	if err != nil {
		s.log.Error("the information document cannot be changed", "err", err, policy.Stack(err))
		return doc
	}
	return changed
}

// servePage shows the relay to a person with a browser.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, path string) {
	st := s.settings.Load()
	scope := st.scope(r, path)
	info := st.infoFor(scope)
	if s.deps.Describe != nil {
		described := new(nip11.Document)
		if err := json.Unmarshal(s.describe(r, st, path), described); err != nil {
			s.log.Error("the information document cannot be shown", "err", err)
		} else {
			info = described
		}
	}
	page := web.Relay{Info: info, URL: st.urlOf(r) + path, Map: st.cfg.Geo.HTTP, Scope: scope}
	if scope == "" {
		page.Scopes = places.ScopeURLs(st.chain, page.URL)
	}
	page.Notes = s.lastNotes(r, st, path)
	body, err := web.Home(page)
	w.Header().Set("Vary", "Accept")
	w.Header().Set("Cache-Control", "no-cache") // a note that is hidden is gone at once
	s.sendPage(w, r, body, web.ContentSecurityPolicy, err)
}

// serveGeo answers what is asked about places (relay/docs/geo.md).
func (s *Server) serveGeo(w http.ResponseWriter, r *http.Request) {
	st := s.settings.Load()
	if !st.cfg.Geo.HTTP || ws.Wanted(r) {
		s.serveOther(w, r)
		return
	}
	allowAll(w.Header(), readOnly)
	w.Header().Set("Cache-Control", "private, max-age=30")
	switch r.Method {
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodGet, http.MethodHead:
	default:
		w.Header().Set("Allow", readOnly)
		places.Refuse(w, &places.Refusal{Status: http.StatusMethodNotAllowed, Text: "method not allowed"})
		return
	}
	if r.URL.Path == places.MapPath {
		s.serveMap(w, r, st)
		return
	}
	s.places.ServeHTTP(paced{w, st.cfg.WriteTimeout}, r)
}

// serveMap shows a person with a browser what /geo/cells tells.
func (s *Server) serveMap(w http.ResponseWriter, r *http.Request, st *settings) {
	scopes := ""
	if st.scopes != nil {
		if path, _ := st.scopes.Scopes(); path != "" {
			scopes = st.urlOf(r) + path
		}
	}
	body, err := web.Map(st.info.Name, places.Cells(st.chain), scopes)
	s.sendPage(w, r, body, web.MapPolicy, err)
}
