package relay

import (
	"errors"
	"sync/atomic"
	"time"

	"moa/nips/event"
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
	owner queryOwner
	sub   hub.Sub[*ws.Body] // not a pointer: both in one piece take less
	bytes int               // of its filters

	right right // asks is guarded by subscriptions.mu until the query is live

	// stored is owned by the worker whose turn it is; nil after EOSE.
	stored *storedPart

	// over: EOSE is sent, or the query is ended. Set under subscriptions.mu.
	over atomic.Bool
}

// queryOwner has the queries of one connection.
type queryOwner interface {
	// lose ends a query that the client may not read any more. No lock of a
	// subscription is held.
	lose(q *query, why policy.Verdict)
}

// storedPart is what a query has only until its EOSE.
type storedPart struct {
	// query is what the REQ may find, decided together with right.asks: what
	// it does not withhold is not asked about again.
	query  store.Query
	kept   []*event.Event // ephemeral ones of the last minutes
	invite *event.Event   // that was asked for; nil: none
	scan   store.Scan     // nil: not begun
	hints  bool
	partly bool // there may be more for a client that authenticates
	start  time.Time
}

var errOver = errors.New("relay: the query was ended")

// addStored adds a stored event. It is not compressed: unlike a live one it is
// for one client only, and deflating it costs more than finding it.
func addStored(p *outbox.Page, head []byte, r *store.Record) {
	if r.Stable {
		p.Add(ws.Msg{Head: head, Raw: r.Raw})
	} else {
		p.AddCopy(head, r.Raw)
	}
}

// read adds the next stored events to p.
func (q *query) read(c *client, p *outbox.Page) (store.Progress, error) {
	bounds := onePage
	if c.out.Scarce() {
		bounds.Bytes = scarcePage
	}
	a := q.stored
	if a.scan == nil {
		a.begin(c)
	}
	if a.invite != nil {
		p.Add(ws.Msg{Head: q.sub.Head, Raw: a.invite.Raw})
		a.invite = nil
	}
	return a.scan.Next(c.life, bounds, func(r *store.Record) error {
		if q.over.Load() {
			return errOver
		}
		addStored(p, q.sub.Head, r)
		return nil
	})
}

// begin plans what to read, which may be more work than the reading: so it is
// the worker's.
func (a *storedPart) begin(c *client) {
	a.scan = c.withWaiting(&a.query, c.withReplay(a.kept, &a.query, c.ties(a.query, c.scan(a.query))))
	a.kept = nil
}

// hint is what EOSE says about the stored events (NIP-67). A limit of 0 asks
// for none of them, and says nothing about what there is.
func (a *storedPart) hint(p store.Progress) string {
	if !a.hints {
		return wire.HintNone
	}
	for _, f := range a.query.Filters {
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
