package relay

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"moa/relay/ws"
)

const adminPath = "/admin"

// pageWork is what a page is taken for, in messages: it is read from the database.
const pageWork = 20

// signInPath is where somebody signs in, and signInsPerIP how often from one address in an
// hour: what comes one by one has no account that remembers it.
const (
	signInPath   = adminPath + "/signin"
	signInsPerIP = 60
)

// isAdminPage reports a request for the page for operators, if there is one.
func (s *Server) isAdminPage(r *http.Request) bool {
	below, ok := strings.CutPrefix(r.URL.Path, adminPath)
	return ok && (below == "" || below[0] == '/') && s.deps.AdminPage != nil && s.settings.Load().cfg.Admin.On() && !ws.Wanted(r)
}

// serveAdminPage hands on what is within the bounds of its address: those of calls. Policies
// are not asked: an operator whose address is blocked can unblock it.
func (s *Server) serveAdminPage(w http.ResponseWriter, r *http.Request) {
	st := s.settings.Load()
	from := s.proxies.originOf(r, &st.cfg)
	account, why := s.conns.reserve(from, &st.cfg.Limits)
	if why != "" {
		s.met.refuse(why)
		s.refusePage(w, http.StatusServiceUnavailable, "too many connections, try again")
		return
	}
	defer s.conns.release(account)
	if account.pace.behind(time.Since(paceBegan)) > 0 {
		s.refusePage(w, http.StatusTooManyRequests, "your address says too much, try again")
		return
	}
	if r.Method == http.MethodPost && !from.Local && strings.TrimRight(r.URL.Path, "/") == signInPath {
		if wait := s.signIns.take(from.IP, signInsPerIP, s.now()); wait > 0 {
			s.refusePage(w, http.StatusTooManyRequests, fmt.Sprintf("too many sign-ins from your address, try again in %d seconds", 1+int(wait.Seconds())))
			return
		}
	}
	account.charge(pageWork)
	r.Body = http.MaxBytesReader(w, r.Body, maxCallBody)
	s.deps.AdminPage.ServePage(w, r, st.callURLs(r, r.URL.Path))
}

// refusePage does not read the request's body, and so ends the connection.
func (s *Server) refusePage(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Connection", "close")
	w.Header().Set("Retry-After", "1")
	http.Error(w, text, status)
}
