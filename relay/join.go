package relay

import (
	"moa/nips/event"
	"moa/relay/hub"
	"moa/relay/ws"
)

// join enters sub, whose filters take so many bytes, in the index: live events that
// match wait in it from now on. Only after that may the caller ask store.Last(): so
// nothing is missed between the stored events and the live ones. It returns what is
// kept of ephemeral events until now.
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
