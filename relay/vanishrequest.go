package relay

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"moa/nips/event"
	"moa/nips/nip62"
	"moa/nips/reason"
	"moa/nips/relayurl"
	"moa/policy"
)

// vanish accepts requests that are addressed to this relay, whichever of its
// addresses they name: there is one store behind all.
func (c *client) vanish(st *settings, e *event.Event) policy.Verdict {
	l := st.info.Limitation // the policies' bounds included
	switch {
	case l.MaxEventTags > 0 && len(e.Tags) > l.MaxEventTags:
		return policy.Refuse(reason.Invalid, fmt.Sprintf("more than %d tags", l.MaxEventTags))
	}
	ours := st.ours
	if len(ours) == 0 && c.atHome() || st.chain.OwnHost(c.Host()) {
		ours = c.roots(st)
	}
	addressed, err := nip62.Addressed(e, func(l relayurl.Location) bool {
		return slices.ContainsFunc(ours, func(root relayurl.Location) bool { return st.chain.Own(root, l) })
	})
	switch {
	case err != nil:
		return policy.Refuse(reason.Invalid, err.Error())
	case !addressed && len(ours) == 0:
		return policy.Refuse(reason.Restricted, "this relay has not been told its own URL: it takes requests to vanish from ALL_RELAYS only")
	case !addressed:
		return policy.Refuse(reason.Restricted, "this request to vanish is not addressed to this relay")
	}
	return policy.Verdict{}
}

// atHome reports a client of this machine that has connected to it as such. No
// other client's Host header is believed here: with it, anybody could replay what
// an author has signed for another relay, and delete the author's events.
func (c *client) atHome() bool {
	host := c.Host()
	ip, err := netip.ParseAddr(host)
	return c.local && (host == "localhost" || err == nil && ip.IsLoopback())
}

// mayVanish takes a request, whose signature holds, into account.
func (c *client) mayVanish(st *settings) policy.Verdict {
	outcome, wait := vanishTaken, time.Duration(0)
	if !c.local {
		outcome, wait = c.vanishes.take(c.ip, &st.cfg.Limits, c.now())
	}
	c.met.vanishes.WithLabelValues(string(outcome)).Inc()
	if outcome == vanishTaken {
		return policy.Verdict{}
	}
	return policy.Refuse(reason.RateLimited, fmt.Sprintf("too many requests to vanish, try again in %s", max(wait, time.Second).Round(time.Second)))
}
