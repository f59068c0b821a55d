package relay

import (
	"moa/nips/event"
	"moa/relay/hub"
	"moa/relay/ws"
)

// join puts sub, whose filters take so many bytes, among the live ones: its events
// wait from then on. What is stored is read from then on, in this order, so that
// nothing is missed between the two. It returns what is kept of ephemeral events
// until then.
func (c *client) join(st *settings, sub *hub.Sub[*ws.Body], filters []*event.Filter, bytes int) (kept []*event.Event) {
	if bytes >= heavyFilters {
		c.account.slots.take()
		defer c.account.giveSlot()
	}
	if st.replay != nil {
		return st.replay.Join(filters, func() { c.index.Add(sub) })
	}
	c.index.Add(sub)
	return nil
}
