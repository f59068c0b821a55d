package relay

import (
	"moa/nips/event"
	"moa/policy"
	"moa/relay/outbox"
)

// liveEvent is the event that is in the fan-out now, one at a time. What is found
// out about it for one subscription is there for the others, and a client is asked
// about once, however many of its subscriptions want it.
type liveEvent struct {
	batch      outbox.Batch // that the deliveries are queued in
	generation uint64
	chain      *policy.Chain // in force
	view       policy.View
	asks       bool     // the chain has a say in it
	nth        uint64   // counts the events that it has a say in
	lost       []func() // end REQs that it may not reach any more, after the fan-out
}

// begin lets l be e.
func (l *liveEvent) begin(b outbox.Batch, st *settings, e *event.Event) {
	chain := st.chain
	l.batch = b
	l.generation, l.chain = st.generation(), chain
	if l.asks = chain.Restricts(e.Kind) || chain.Hides() || chain.WatchesLive(); l.asks {
		l.view.Of(e)
		l.nth++
	}
}

// end keeps nothing of the event.
func (l *liveEvent) end() {
	l.chain = nil
	l.view.Of(nil)
	for _, end := range l.lost {
		end()
	}
	l.lost = nil
}

// shownTo asks the chain whether a client may see the event.
func (l *liveEvent) shownTo(c policy.Client) bool {
	e := l.view.Event
	return !l.chain.Hidden(e.ID, e.PubKey) && l.chain.Shows(c, &l.view) && (!l.chain.WatchesLive() || l.chain.Live(c, e))
}
