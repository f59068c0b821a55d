package relay

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/relay/shares"
	"moa/relay/web"
	"moa/relay/ws"
	"moa/store"
)

// The paths of what is asked about places.
const (
	geoEventsPath = "/geo/events"
	geoCellsPath  = "/geo/cells"
	geoMapPath    = "/geo"
)

// Bounds of one answer, and of all that are made at once.
const (
	maxGeoRequests = 4
	maxGeoPages    = 64 // of onePage.Work each
	maxGeoBytes    = 4 << 20
	maxGeoTime     = 5 * time.Second
	maxGeoTotal    = 32 << 20 // of all answers, until they are out
)

// serveGeo answers what is asked about places (relay/docs/geo.md): who asks
// sees what a client does that has not authenticated.
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
		geoError(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	if r.URL.Path == geoMapPath {
		s.serveMap(w, r, st)
		return
	}
	q, err := parseGeoQuery(r.URL.Path, r.URL.Query(), s.deps.Now())
	if err != nil {
		geoError(w, http.StatusBadRequest, err.Error())
		return
	}
	s.sendGeo(w, r, st, q)
}

// sendGeo answers, or says why not. The place of the connection and the bytes of
// the answer are held until it is out: until then they are in memory.
func (s *Server) sendGeo(w http.ResponseWriter, r *http.Request, st *settings, q *geoQuery) {
	from := s.originOf(r, &st.cfg)
	account, why := s.conns.reserve(from, &st.cfg.Limits)
	if why != "" {
		s.met.refuse(why)
		geoBusy(w, "too many connections")
		return
	}
	defer s.conns.release(account)
	held := maxGeoBytes // as long as it is not known how many
	switch account.Take(shares.Geo, held) {
	case shares.Address:
		geoBusy(w, "too many questions from your address are not answered yet, try again")
		return
	case shares.All:
		geoBusy(w, "too many are asking, try again")
		return
	}
	defer func() { account.Give(shares.Geo, held) }()
	select {
	case s.geoSlots <- struct{}{}:
	default:
		s.ledger.Refuse(shares.Geo, shares.All)
		geoBusy(w, "too many are asking, try again")
		return
	}
	body, status, err := s.answerGeo(st, r, q, s.newSession(st, from, account))
	if err != nil {
		geoError(w, status, err.Error())
		return
	}
	account.Give(shares.Geo, held-len(body))
	held = len(body)
	if http.NewResponseController(w).SetWriteDeadline(time.Now().Add(st.cfg.WriteTimeout)) != nil {
		return
	}
	send(w, r, "application/json", body)
}

// geoBusy says to try again.
func geoBusy(w http.ResponseWriter, text string) {
	w.Header().Set("Retry-After", "1")
	geoError(w, http.StatusServiceUnavailable, text)
}

// serveMap shows a person with a browser what /geo/cells tells.
func (s *Server) serveMap(w http.ResponseWriter, r *http.Request, st *settings) {
	var area []string
	if p := policy.Find[policy.AreaPolicy](st.chain); p != nil {
		area = p.Area().Prefixes(maxAreaCells)
	}
	scopes := ""
	if st.scopes != nil {
		if path, _ := st.scopes.Scopes(); path != "" {
			scopes = st.urlOf(r) + path
		}
	}
	body, err := web.Map(st.info.Name, area, scopes)
	s.sendPage(w, r, body, web.MapPolicy, err)
}

// geoError answers with a JSON object.
func geoError(w http.ResponseWriter, status int, text string) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	body, _ := json.Marshal(map[string]string{"error": text}) // cannot fail: text is a string
	w.Write(body)
}

// answerGeo asks on behalf of a client that comes, asks once and goes. It gives
// back the slot that its caller has taken: net/http survives its panics.
func (s *Server) answerGeo(st *settings, r *http.Request, q *geoQuery, c *session) (body []byte, status int, err error) {
	defer func() { <-s.geoSlots }()
	defer c.out.Close()
	if d := st.chain.Connect(background, c, r); d.Action == policy.Reject {
		return nil, statusOf(d.Reason), errors.New(string(d.Reason) + ": " + d.Text)
	}
	defer st.chain.Disconnect(c)
	since := st.generation() // before anybody is asked
	var filters []*event.Filter
	for _, f := range q.filters() {
		admitted, v := c.admit(st, "geo", []*event.Filter{f}, false)
		if v.Action == policy.Reject {
			return nil, statusOf(v.Reason), errors.New(string(v.Reason) + ": " + v.Text)
		}
		filters = append(filters, admitted...)
	}
	var right right
	right.grant(filters, since)
	right.asks = c.restricted(st.chain, right.kinds)
	ctx, cancel := context.WithTimeout(r.Context(), maxGeoTime)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	body, err = q.answer(func(found func(*store.Record) error) (bool, error) {
		return c.readPlaces(ctx, st, filters, q, found)
	})
	if err != nil {
		if ctx.Err() == nil {
			s.deps.Log.Error("stored events cannot be read", "err", err)
		}
		return nil, http.StatusServiceUnavailable, errors.New("the relay cannot read its store at the moment, try again later")
	}
	if v := right.lost(c); v.Action == policy.Reject {
		return nil, statusOf(v.Reason), errors.New(string(v.Reason) + ": " + v.Text)
	}
	return body, http.StatusOK, nil
}

var errGeoFull = errors.New("relay: the answer is large enough")

// readPlaces finds the events that are inside, newest first and no more than
// the query's limit, and reports whether that is all there is. Each of the
// filters has the same limit: the first so many of all are among theirs.
func (s *session) readPlaces(ctx context.Context, st *settings, filters []*event.Filter, asked *geoQuery, found func(*store.Record) error) (whole bool, err error) {
	inside := asked.inside
	var kept []*event.Event
	if st.replay != nil {
		kept = st.replay.Find(filters, st.replay.Last())
		kept = slices.DeleteFunc(kept, func(e *event.Event) bool { return !inside(e) })
	}
	stored := store.Scan(empty{})
	if upTo := s.srv.deps.Store.Last(); upTo > 0 {
		q := s.storeQuery(st, filters)
		q.UpTo = upTo
		seen := q.Visible
		q.Visible = func(r *store.Record) bool {
			if seen != nil && !seen(r) {
				return false
			}
			e, err := r.Event()
			return err == nil && inside(e)
		}
		stored = s.srv.deps.Store.Scan(q)
	}
	scan := s.withReplay(st, kept, filters, stored)
	events, bytes := 0, 0
	for range maxGeoPages {
		p, err := scan.Next(ctx, onePage, func(r *store.Record) error {
			events++
			if bytes += len(r.Raw); bytes > maxGeoBytes || events > asked.limit {
				return errGeoFull
			}
			return found(r)
		})
		switch {
		case errors.Is(err, errGeoFull):
			return false, nil
		case err != nil:
			return false, err
		case p.Done:
			return p.All, nil
		}
	}
	return false, nil
}
