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
	sess := s.newSession(st, from, account)
	if d := st.chain.Connect(background, &sess.client, r); d.Action == policy.Reject {
		s.conns.release(account)
		s.met.refuse(refusePolicy)
		allowAll(w.Header(), readOnly)
		http.Error(w, string(d.Reason)+": "+d.Text, statusOf(d.Reason))
		return
	}
	conn, err := ws.Upgrade(w, r, s.upgrade.Load())
	if err != nil {
		s.conns.release(account)
		s.met.refuse(refuseBroken)
		st.chain.Disconnect(&sess.client)
		return
	}
	conn.SetRoom(inbox{account})
	sess.conn = conn
	s.met.opened.Inc()
	s.met.connections.Inc()
	if !s.conns.add(sess) {
		sess.leaves(dropShutdown)
		conn.Close(ws.GoingAway, "the relay is shutting down")
		conn.CloseNow()
		sess.out.Close()
		sess.forget()
		st.chain.Disconnect(&sess.client)
		return
	}
	sess.mayStay(s.settings.Load()) // its address may have been blocked meanwhile
	if st.cfg.AuthOnConnect {
		sess.RequestAuth()
	}
	sess.out.Open(conn)
	// The session gets a goroutine of its own, so that net/http's, its stack and
	// its buffers end here.
	s.tasks.begin(sessionTask)
	sess.Wake()
}

func (s *Server) newSession(st *settings, from origin.Origin, a *account) *session {
	sess := &session{chain: st.chain, conns: s.conns}
	sess.init(&s.shared, from, a)
	return sess
}

// turnAway answers a handshake that came at a bad time.
func turnAway(w http.ResponseWriter, why refusal) {
	allowAll(w.Header(), readOnly)
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
