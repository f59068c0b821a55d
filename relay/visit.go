package relay

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/relay/places"
	"moa/relay/shares"
	"moa/store"
)

// Bounds of one visit, and of all that there are at once.
const (
	maxVisits     = 4
	maxVisitPages = 64 // of onePage.Work each
	maxVisitTime  = 5 * time.Second
)

// visit is a client that comes over HTTP, asks once and goes. It sees what an
// unauthenticated client sees. It implements places.Reader.
type visit struct {
	c       *client
	srv     *Server
	st      *settings
	account *account
	bytes   int  // that are held
	busy    bool // it is one of maxVisits
	known   bool // to the chain
	ended   bool
}

// enter is enterAt at the relay's own path.
func (s *Server) enter(r *http.Request, bytes int) (places.Reader, error) {
	return s.enterAt(r, "", bytes)
}

// enterAt lets the client of a request in at a path of address, whose answer has so
// many bytes at most. The place of the connection and the bytes are held until it
// leaves, as the answer is in memory until it is out.
func (s *Server) enterAt(r *http.Request, path string, bytes int) (_ places.Reader, err error) {
	st := s.settings.Load()
	from := s.proxies.originOf(r, &st.cfg).At(path)
	account, why := s.conns.reserve(from, &st.cfg.Limits)
	if why != "" {
		s.met.refuse(why)
		return nil, tooBusy("too many connections")
	}
	v := &visit{st: st, srv: s, account: account, c: new(client)}
	v.c.init(&s.shared, from, account)
	inside := false
	defer func() { // it ends here, or net/http survives a panic of a policy
		if !inside {
			v.Leave()
		}
	}()
	switch account.Take(shares.Geo, bytes) {
	case shares.Address:
		return nil, tooBusy("too many questions from your address are not answered yet, try again")
	case shares.All:
		return nil, tooBusy("too many are asking, try again")
	}
	v.bytes = bytes
	select {
	case s.visits <- struct{}{}:
		v.busy = true
	default:
		s.ledger.Refuse(shares.Geo, shares.All)
		return nil, tooBusy("too many are asking, try again")
	}
	if d := st.chain.Connect(background, v.c, r); d.Action == policy.Reject {
		return nil, refusedBy(d.Verdict)
	}
	v.known, inside = true, true
	return v, nil
}

// tooBusy says to try again.
func tooBusy(text string) error {
	return &places.Refusal{Status: http.StatusServiceUnavailable, Text: text, Again: true}
}

func refusedBy(v policy.Verdict) error {
	return &places.Refusal{Status: statusOf(v.Reason), Text: string(v.Reason) + ": " + v.Text}
}

// Read implements places.Reader: each filter is admitted by itself, as those of a
// REQ are.
func (v *visit) Read(ctx context.Context, asked []*event.Filter, inside func(*event.Event) bool, found func(*store.Record) error) (whole bool, err error) {
	s := v.srv
	var right right
	generation := v.st.generation() // before the policies are asked
	var filters []*event.Filter
	for _, f := range asked {
		admitted, d := v.c.admit(v.st, "geo", []*event.Filter{f}, false)
		if d.Action == policy.Reject {
			return false, refusedBy(d)
		}
		filters = append(filters, admitted...)
	}
	right.grant(filters, generation)
	q := v.c.storeQuery(v.st, filters)
	right.asks = q.Visible != nil
	ctx, cancel := context.WithTimeout(ctx, maxVisitTime)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	whole, err = v.pages(ctx, v.scan(q, inside), found)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Error("stored events cannot be read", "err", err)
		}
		return false, &places.Refusal{Status: http.StatusServiceUnavailable, Text: "the relay cannot read its store at the moment, try again later"}
	}
	if d := right.lost(v.c); d.Action == policy.Reject {
		return false, refusedBy(d)
	}
	return whole, nil
}

// scan finds what is inside, stored and of the last minutes.
func (v *visit) scan(q store.Query, inside func(*event.Event) bool) store.Scan {
	var kept []*event.Event
	if v.st.replay != nil {
		kept = v.st.replay.Find(q.Filters, v.st.replay.Last())
		kept = slices.DeleteFunc(kept, func(e *event.Event) bool { return !inside(e) })
	}
	q.UpTo = v.c.store.Last()
	seen := q.Visible
	q.Visible = func(r *store.Record) bool {
		if seen != nil && !seen(r) {
			return false
		}
		e, err := r.Event()
		return err == nil && inside(e)
	}
	return v.c.withReplay(kept, &q, v.c.scan(q))
}

// pages reads so many pages of a scan.
func (v *visit) pages(ctx context.Context, scan store.Scan, found func(*store.Record) error) (whole bool, err error) {
	for range maxVisitPages {
		p, err := v.page(ctx, scan, found)
		switch {
		case errors.Is(err, places.ErrEnough):
			return false, nil
		case err != nil:
			return false, err
		case p.Done:
			return p.All, nil
		}
	}
	return false, nil
}

func (v *visit) page(ctx context.Context, scan store.Scan, found func(*store.Record) error) (store.Progress, error) {
	v.account.slots.take()
	defer v.account.giveSlot()
	return scan.Next(ctx, onePage, found)
}

// Made implements places.Reader.
func (v *visit) Made(bytes int) {
	v.end()
	v.account.Give(shares.Geo, v.bytes-bytes)
	v.bytes = bytes
}

// Leave implements places.Reader.
func (v *visit) Leave() {
	v.end()
	v.account.Give(shares.Geo, v.bytes)
	v.bytes = 0
	v.srv.conns.release(v.account)
}

// end is the end of what works for the client.
func (v *visit) end() {
	if v.ended {
		return
	}
	v.ended = true
	if v.busy {
		defer func() { <-v.srv.visits }()
	}
	defer v.c.out.Close()
	if v.known {
		v.st.chain.Disconnect(v.c)
	}
}
