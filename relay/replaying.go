package relay

import (
	"moa/nips/event"
	"moa/relay/replay"
	"moa/store"
)

// withReplay adds to a scan what is kept of ephemeral events, as far as the client
// may see it.
func (c *client) withReplay(st *settings, kept []*event.Event, filters []*event.Filter, scan store.Scan) store.Scan {
	if len(kept) == 0 {
		return scan
	}
	q := c.storeQuery(st, filters)
	return replay.Merge(scan, kept, &q, func(e *event.Event) bool {
		return c.settings.Load().chain.Deliver(c, e)
	})
}
