package relay

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay/hub"
	"moa/relay/outbox"
	"moa/relay/ws"
	"moa/store"
)

// onePage bounds what a worker does for one query before it is the next one's
// turn: of Work, about 10 ms.
var onePage = store.Page{Events: 256, Bytes: 512 << 10, Work: 2048}

// scarcePage is the Bytes of a page where memory is scarce.
const scarcePage = 64 << 10

// query is a REQ: its stored events, page by page, and its live side.
type query struct {
	// Fixed once made.
	subs  *subscriptions
	sub   *hub.Sub[*ws.Body]
	bytes int // of its filters

	right right // asks is guarded by subs.mu until the query is live

	// answer is owned by the worker whose turn it is; nil after EOSE.
	answer *answer

	// over: EOSE is sent, or the query is ended. Set under subs.mu.
	over atomic.Bool
}

// answer is what a query has only until its EOSE.
type answer struct {
	filters []*event.Filter
	scan    store.Scan
	upTo    store.Serial
	hints   bool
	partly  bool // there may be more for a client that authenticates
	start   time.Time
}

var errOver = errors.New("relay: the query was ended")

// page sends the next stored events, and after the last ones EOSE and what
// live ones have waited. It reports whether that was all.
func (q *query) page(batch outbox.Batch) (done bool) {
	a := q.answer
	p := outbox.NewPage()
	bounds := onePage
	if q.subs.s.out.Scarce() {
		bounds.Bytes = scarcePage
	}
	progress, err := a.scan.Next(q.subs.s.srv.life, bounds, func(r *store.Record) error {
		if q.over.Load() {
			return errOver
		}
		addStored(p, q.sub.Head, r)
		return nil
	})
	met := q.subs.s.srv.met
	b := q.subs
	b.mu.Lock()
	defer b.mu.Unlock()
	if q.over.Load() {
		p.Release()
		return true
	}
	if err != nil {
		p.Release()
		q.failLocked(err)
		return true
	}
	if why := q.right.lost(b.s); why.Action == policy.Reject {
		p.Release()
		q.loseLocked(why)
		return true
	}
	met.served.Add(float64(p.Len()))
	if progress.Done {
		p.Add(ws.Msg{Head: wire.AppendEOSE(nil, q.sub.ID, a.hint(progress))})
	}
	batch.Page(&b.s.out, p)
	if !progress.Done {
		return false
	}
	q.over.Store(true)
	met.queries.Observe(time.Since(a.start).Seconds())
	q.answer = nil
	q.right.asks = true
	q.sub.Since = q.right.since.Load()
	if q.sub.GoLive(a.upTo) {
		return true
	}
	if why := q.right.lost(b.s); why.Action == policy.Reject {
		q.loseLocked(why)
	} else {
		q.endLocked(reason.Error, "too many events arrived while the stored ones were sent, subscribe again")
	}
	return true
}

// addStored adds a stored event. It is not compressed: unlike a live one it is
// for one client only, and deflating it costs more than finding it.
func addStored(p *outbox.Page, head []byte, r *store.Record) {
	if r.Stable {
		p.Add(ws.Msg{Head: head, Raw: r.Raw})
	} else {
		p.AddCopy(head, r.Raw)
	}
}

// hint is what EOSE says about the stored events (NIP-67). A limit of 0 asks
// for none of them, and says nothing about what there is.
func (a *answer) hint(p store.Progress) string {
	if !a.hints {
		return wire.HintNone
	}
	for _, f := range a.filters {
		if f.HasLimit && f.Limit == 0 {
			return wire.HintNone
		}
	}
	switch {
	case !p.All:
		return wire.HintMore
	case a.partly:
		return wire.HintNone
	}
	return wire.HintFinish
}

func (q *query) failLocked(err error) {
	if !errors.Is(err, context.Canceled) {
		q.subs.s.srv.deps.Log.Error("stored events cannot be read", "err", err)
	}
	q.endLocked(reason.Error, "the relay cannot read its store at the moment, try again later")
}

// endLocked closes the subscription from this side.
func (q *query) endLocked(r reason.Reason, text string) {
	b := q.subs
	if b.endLocked(q) {
		b.s.srv.index.Remove(q.sub)
		b.s.closed(q.sub.ID, r, text)
	}
}

// req answers a REQ. Whatever was open by that id ends first.
func (s *session) req(st *settings, id string, filters []*event.Filter) {
	start := time.Now()
	s.closeSub(id)
	since := st.generation() // before anybody is asked
	filters, v := s.admit(st, id, filters, false)
	if v.Action == policy.Reject {
		s.closed(id, v.Reason, v.Text)
		return
	}
	if s.subs == nil {
		s.subs = &subscriptions{s: s}
	}
	if s.subs.len() >= st.cfg.Limits.Subscriptions {
		s.closed(id, reason.RateLimited, "too many subscriptions are open on this connection")
		return
	}
	bytes := filterBytes(filters)
	if v := s.holdFilters(st, bytes); v.Action == policy.Reject {
		s.closed(id, v.Reason, v.Text)
		return
	}
	withheld := s.withholds(st, filters)
	q := &query{subs: s.subs, sub: hub.NewSub[*ws.Body](id, filters, s), bytes: bytes}
	q.sub.Head = wire.AppendEventHead(make([]byte, 0, len(`["EVENT","",`)+len(id)), id)
	q.sub.Owner = q
	q.right.grant(filters, since)
	q.right.asks = s.restricted(st.chain, q.right.kinds)
	s.subs.add(q)
	scan, upTo := s.join(st, q.sub, filters)
	q.answer = &answer{filters, scan, upTo, st.cfg.EOSEHints, withheld, start}
	s.subs.start(q)
}

// join puts sub among the live ones, whose events wait from then on, and begins to
// read what is stored. In this order nothing is missed between the two.
func (s *session) join(st *settings, sub *hub.Sub[*ws.Body], filters []*event.Filter) (store.Scan, store.Serial) {
	if st.replay != nil {
		return s.joinReplay(st, sub, filters)
	}
	s.srv.index.Add(sub)
	return s.read(st, filters)
}

// read begins to read what is stored now: up to and including a serial.
func (s *session) read(st *settings, filters []*event.Filter) (store.Scan, store.Serial) {
	upTo := s.srv.deps.Store.Last()
	return s.ties(st, filters, upTo, s.scan(st, filters, upTo)), upTo
}

// scan begins to read what is stored up to and including upTo.
func (s *session) scan(st *settings, filters []*event.Filter, upTo store.Serial) store.Scan {
	if upTo == 0 {
		return empty{} // to the store, 0 is no bound
	}
	q := s.storeQuery(st, filters)
	q.UpTo = upTo
	return s.srv.deps.Store.Scan(q)
}

// empty is a scan of an empty store.
type empty struct{}

func (empty) Next(context.Context, store.Page, func(*store.Record) error) (store.Progress, error) {
	return store.Progress{Done: true, All: true}, nil
}

// storeQuery is what the store is asked: only for what the client may see.
func (s *session) storeQuery(st *settings, filters []*event.Filter) store.Query {
	q := store.Query{
		Filters:      filters,
		DefaultLimit: st.cfg.Limits.DefaultLimit,
		MaxLimit:     st.cfg.Limits.Limit,
		Now:          s.srv.deps.Now().Unix(),
	}
	if s.restricted(st.chain, askedKinds(filters)) {
		q.Visible = s.maySee
		if kinds := st.chain.Involved(s); len(kinds) > 0 {
			q.Private = &store.Private{Kinds: kinds, People: s.Authed()}
		}
	}
	return q
}

// restricted reports whether the chain has a say in what the client's filters of
// these kinds can find.
func (s *session) restricted(chain *policy.Chain, kinds [][]uint16) bool {
	if chain.Hides() {
		return true
	}
	if !chain.RestrictsAnyFor(s) {
		return false
	}
	for _, list := range kinds {
		if list == nil {
			return true
		}
		for _, k := range list {
			if chain.RestrictsFor(s, k) {
				return true
			}
		}
	}
	return false
}

// maySee asks the chain that is in force now about a stored event.
func (s *session) maySee(r *store.Record) bool {
	chain := s.srv.settings.Load().chain
	if chain.Hidden(r.ID, r.PubKey) {
		return false
	}
	if !chain.RestrictsFor(s, r.Kind) {
		return true
	}
	e, err := r.Event()
	return err == nil && chain.Deliver(s, e)
}

// closeSub ends a subscription without a word (NIP-01).
func (s *session) closeSub(id string) {
	if s.subs == nil {
		return
	}
	if q := s.subs.find(id); q != nil {
		s.subs.remove(q)
	}
}

// closed refuses a REQ or COUNT, or ends a REQ.
func (s *session) closed(id string, r reason.Reason, text string) {
	s.srv.met.closed.Inc()
	s.out.Offer(ws.Msg{Head: wire.AppendClosed(nil, id, r, text)})
}
