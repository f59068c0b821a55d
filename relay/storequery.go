package relay

import (
	"context"
	"slices"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay/replay"
	"moa/relay/ws"
	"moa/store"
)

// scan begins to read what is stored up to and including q.UpTo.
func (c *client) scan(q store.Query) store.Scan {
	if q.UpTo == 0 {
		return empty{} // to the store, 0 is no bound
	}
	return c.store.Scan(q)
}

// empty is a scan of an empty store.
type empty struct{}

func (empty) Next(context.Context, store.Page, func(*store.Record) error) (store.Progress, error) {
	return store.Progress{Done: true, All: true}, nil
}

// storeQuery is what the store is asked: only for what the client may see.
func (c *client) storeQuery(st *settings, filters []*event.Filter) store.Query {
	q := store.Query{
		Filters:      filters,
		DefaultLimit: st.cfg.Limits.DefaultLimit,
		MaxLimit:     st.cfg.Limits.Limit,
		Now:          c.now().Unix(),
	}
	if c.restricted(st.chain, askedKinds(filters)) {
		q.Visible = c.maySee
		if kinds := st.chain.Involved(c); len(kinds) > 0 {
			q.Private = &store.Private{Kinds: kinds, People: c.Authed()}
		}
	}
	return q
}

// restricted reports whether the chain has a say in what the client's filters of
// these kinds can find.
func (c *client) restricted(chain *policy.Chain, kinds [][]uint16) bool {
	if chain.Hides() {
		return true
	}
	if !chain.RestrictsAnyFor(c) {
		return false
	}
	for _, list := range kinds {
		if list == nil {
			return true
		}
		for _, k := range list {
			if chain.RestrictsFor(c, k) {
				return true
			}
		}
	}
	return false
}

// maySee asks the chain that is in force now about a stored event.
func (c *client) maySee(r *store.Record) bool {
	chain := c.settings.Load().chain
	if chain.Hidden(r.ID, r.PubKey) {
		return false
	}
	if !chain.RestrictsFor(c, r.Kind) {
		return true
	}
	e, err := r.Event()
	return err == nil && chain.Deliver(c, e)
}

// closed refuses a REQ or COUNT, or ends a REQ.
func (c *client) closed(id string, r reason.Reason, text string) {
	c.met.closed.Inc()
	c.out.Offer(ws.Msg{Head: wire.AppendClosed(nil, id, r, text)})
}

func askedKinds(filters []*event.Filter) [][]uint16 {
	kinds := make([][]uint16, len(filters))
	for i, f := range filters {
		kinds[i] = f.Kinds
	}
	return kinds
}

// everything begins to read all that the filters find, whatever the limits of a
// REQ; a limit of their own holds.
func (c *client) everything(st *settings, filters []*event.Filter) store.Scan {
	q := c.storeQuery(st, filters)
	q.DefaultLimit, q.MaxLimit = 0, 0
	q.UpTo, q.Bulk = c.store.Last(), true
	return c.scan(q)
}

// negErr refuses a NEG-OPEN or NEG-MSG, or ends a sync. most is how
// many events would have been taken; 0 says nothing of it.
func (c *client) negErr(id string, r reason.Reason, text string, most int) {
	c.met.syncErrors.Inc()
	c.out.Offer(ws.Msg{Head: wire.AppendNegErr(nil, id, r, text, most)})
}

// withReplay adds to the scan of q what is kept of ephemeral events, as far as the
// client may see it.
func (c *client) withReplay(kept []*event.Event, q *store.Query, scan store.Scan) store.Scan {
	if len(kept) == 0 {
		return scan
	}
	return replay.Merge(scan, kept, q, replay.Asks, func(e *event.Event) bool {
		return c.settings.Load().chain.Deliver(c, e)
	})
}

// withWaiting adds to the scan of q the events that wait for approval, as far as the
// client may see them: a REQ alone shows them.
func (c *client) withWaiting(q *store.Query, scan store.Scan) store.Scan {
	list := c.settings.Load().chain.Waiting(c, q.Filters)
	if len(list) == 0 {
		return scan
	}
	slices.SortFunc(list, replay.Compare)
	return replay.Merge(scan, list, q, func(*event.Filter) bool { return true }, func(e *event.Event) bool {
		return c.settings.Load().chain.SeesWaiting(c, e)
	})
}
