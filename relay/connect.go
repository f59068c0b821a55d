package relay

import (
	"net/http"

	"moa/policy"
	"moa/relay/origin"
	"moa/relay/ws"
)

// connect takes over a WebSocket handshake at a path of address.
func (s *Server) connect(w http.ResponseWriter, r *http.Request, path string) {
	st := s.settings.Load()
	from := s.proxies.originOf(r, &st.cfg).At(path)
	account, why := s.conns.reserve(from, &st.cfg.Limits)
	if why != "" {
		s.met.refuse(why)
		turnAway(w, why)
		return
	}
	c := s.newSession(st, from, account)
	if d := st.chain.Connect(background, &c.client, r); d.Action == policy.Reject {
		s.conns.release(account)
		s.met.refuse(refusePolicy)
		http.Error(w, string(d.Reason)+": "+d.Text, statusOf(d.Reason))
		return
	}
	conn, err := ws.Upgrade(w, r, s.upgrade.Load())
	if err != nil {
		s.conns.release(account)
		s.met.refuse(refuseBroken)
		st.chain.Disconnect(&c.client)
		return
	}
	conn.SetRoom(inbox{account.Account})
	c.conn = conn
	s.met.opened.Inc()
	s.met.connections.Inc()
	if !s.conns.add(c) {
		c.leaves(dropShutdown)
		conn.Close(ws.GoingAway, "the relay is shutting down")
		conn.CloseNow()
		c.out.Close()
		s.forget(c)
		st.chain.Disconnect(&c.client)
		return
	}
	if st.cfg.AuthOnConnect {
		c.RequestAuth()
	}
	c.out.Open(conn)
	// The session gets a goroutine of its own, so that net/http's, its stack and
	// its buffers end here.
	s.tasks.begin(sessionTask)
	c.Wake()
}

func (s *Server) newSession(st *settings, from origin.Origin, a *account) *session {
	c := &session{ingest: s.ingest, chain: st.chain, gone: s.forget}
	c.init(&s.shared, from, a)
	return c
}

// forget ends what connect began, but for the policies.
func (s *Server) forget(c *session) {
	s.conns.remove(c)
	s.conns.release(c.account)
	s.met.connections.Dec()
}

// turnAway answers a handshake that came at a bad time.
func turnAway(w http.ResponseWriter, why refusal) {
	w.Header().Set("Retry-After", "30")
	switch why {
	case refusePerIP:
		http.Error(w, "rate-limited: too many connections from your address", http.StatusTooManyRequests)
	case refuseDrain:
		http.Error(w, "error: the relay is shutting down", http.StatusServiceUnavailable)
	default:
		http.Error(w, "error: the relay is full", http.StatusServiceUnavailable)
	}
}
