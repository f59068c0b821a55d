package relay

import (
	"moa/nips/event"
	"moa/policy"
	"moa/relay/hub"
	"moa/relay/shares"
	"moa/relay/ws"
)

// A client is the hub.Sink of its subscriptions.

// Offer queues the live event.
func (c *client) Offer(sub *hub.Sub[*ws.Body], _ *event.Event, body *ws.Body) bool {
	l := &c.live
	if sub.Generation != l.generation && !c.mayStill(sub) {
		return false
	}
	if l.asks && !c.sees(l) {
		return true
	}
	c.met.delivered.Inc()
	return l.batch.Offer(&c.out, ws.Msg{Head: sub.Head, Body: body})
}

// mayStill asks again whether a subscription may be. Its lock is held, so that it
// ends only later.
func (c *client) mayStill(sub *hub.Sub[*ws.Body]) bool {
	q := sub.Owner.(*query)
	if why := q.right.lost(c); why.Action == policy.Reject {
		c.live.lost = append(c.live.lost, func() { q.owner.lose(q, why) })
		return false
	}
	sub.Generation = q.right.generation.Load()
	return true
}

// sees reports whether the client may see the live event.
func (c *client) sees(l *liveEvent) bool {
	if c.asked != l.nth {
		c.seen = l.shownTo(c)
		c.asked = l.nth
	}
	return c.seen
}

// Keep takes a live event into account that waits until the stored ones are out.
func (c *client) Keep(_ *hub.Sub[*ws.Body], e *event.Event, body *ws.Body) bool {
	whose := c.out.Keep(e.Bytes(), body)
	if whose != shares.Within {
		c.ledger.Refuse(shares.Outbox, whose)
	}
	return whose == shares.Within
}

// Unkeep takes back what Keep has taken into account.
func (c *client) Unkeep(_ *hub.Sub[*ws.Body], e *event.Event, body *ws.Body) {
	c.out.Unkeep(e.Bytes(), body)
}

// Handover queues a live event that came while the stored ones were sent. Too
// many of them end the subscription rather than the connection.
func (c *client) Handover(sub *hub.Sub[*ws.Body], e *event.Event, body *ws.Body) bool {
	if q := sub.Owner.(*query); q.right.lost(c).Action == policy.Reject {
		return false
	}
	if !c.mayHear(e) {
		return true
	}
	c.met.delivered.Inc()
	return c.out.Handover(ws.Msg{Head: sub.Head, Body: body})
}

// mayHear asks the chain that is in force now, about who the client is now.
func (c *client) mayHear(e *event.Event) bool {
	chain := c.settings.Load().chain
	return chain.Deliver(c, e) && (!chain.WatchesLive() || chain.Live(c, e))
}
