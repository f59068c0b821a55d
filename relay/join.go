package relay

import (
	"moa/nips/event"
	"moa/relay/hub"
	"moa/relay/ws"
	"moa/store"
)

// join puts sub among the live ones, whose events wait from then on, and begins to
// read what is stored. In this order nothing is missed between the two.
func (c *client) join(st *settings, sub *hub.Sub[*ws.Body], filters []*event.Filter) (store.Scan, store.Serial) {
	if st.replay != nil {
		return c.joinReplay(st, sub, filters)
	}
	c.index.Add(sub)
	return c.read(st, filters)
}

// read begins to read what is stored now: up to and including a serial.
func (c *client) read(st *settings, filters []*event.Filter) (store.Scan, store.Serial) {
	upTo := c.store.Last()
	return c.ties(st, filters, upTo, c.scan(st, filters, upTo)), upTo
}

// joinReplay is join where the last minutes of ephemeral events are kept.
func (c *client) joinReplay(st *settings, sub *hub.Sub[*ws.Body], filters []*event.Filter) (store.Scan, store.Serial) {
	kept := st.replay.Join(filters, func() { c.index.Add(sub) })
	scan, upTo := c.read(st, filters)
	return c.withReplay(st, kept, filters, scan), upTo
}
