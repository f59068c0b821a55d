package relay

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"moa/nips/event"
	"moa/nips/nip62"
	"moa/nips/reason"
	"moa/nips/relayurl"
	"moa/policy"
	"moa/relay/origin"
)

// No policy may refuse a request to vanish (NIP-62), and each costs the writer
// more than an event does, whether there is anything to delete or not, and is kept
// for ever. So what is sent in an hour and in a day is bounded here: from one
// network, and in all.

// maxVanishBytes is the most of a request to vanish, as JSON: it is kept for
// ever, whoever wrote it. That is room for 200 relays and a reason.
const maxVanishBytes = 16 << 10

// vanish accepts requests that are addressed to this relay, whichever of its
// addresses they name: there is one store behind all.
func (s *session) vanish(st *settings, e *event.Event) policy.Verdict {
	l := st.info.Limitation // the policies' bounds included
	switch {
	case l.MaxEventTags > 0 && len(e.Tags) > l.MaxEventTags:
		return policy.Refuse(reason.Invalid, fmt.Sprintf("more than %d tags", l.MaxEventTags))
	}
	ours := st.ours
	if len(ours) == 0 && s.atHome() || st.chain.OwnHost(s.Host()) {
		ours = s.roots(st)
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

// atHome reports a client of this machine that has connected to it as such. Of
// anybody else the Host header is not believed here: it would let a stranger
// play what somebody has signed for another relay, and delete.
func (s *session) atHome() bool {
	host := s.Host()
	ip, err := netip.ParseAddr(host)
	return s.local && (host == "localhost" || err == nil && ip.IsLoopback())
}

// mayVanish takes a request, whose signature holds, into account.
func (s *session) mayVanish(st *settings) policy.Verdict {
	outcome, wait := vanishTaken, time.Duration(0)
	if !s.local {
		outcome, wait = s.srv.vanishes.take(s.ip, &st.cfg.Limits, s.srv.deps.Now())
	}
	s.srv.met.vanishes.WithLabelValues(string(outcome)).Inc()
	if outcome == vanishTaken {
		return policy.Verdict{}
	}
	return policy.Refuse(reason.RateLimited, fmt.Sprintf("too many requests to vanish, try again in %s", max(wait, time.Second).Round(time.Second)))
}

// vanishOutcome is what became of a request to vanish that is signed and
// addressed to this relay.
type vanishOutcome string

const (
	vanishTaken vanishOutcome = "taken"
	vanishPerIP vanishOutcome = "limit_per_ip"
	vanishAll   vanishOutcome = "limit"
)

// vanishes counts requests to vanish. The zero vanishes have counted none.
type vanishes struct {
	mu   sync.Mutex // guards the following
	all  allowances
	from map[netip.Addr]allowances // by network, of those that are not whole
}

// take allows a request from ip, or says which bound it is beyond and for how
// long.
func (v *vanishes) take(ip netip.Addr, l *Limits, now time.Time) (vanishOutcome, time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	net := origin.Network(ip)
	mine, wait := v.from[net].take(l.VanishesPerIP, now)
	if wait > 0 {
		return vanishPerIP, wait
	}
	all, wait := v.all.take(l.Vanishes, now)
	if wait > 0 {
		return vanishAll, wait
	}
	v.all = all
	v.keep(net, mine, now)
	return vanishTaken, 0
}

// keep remembers a network's allowance. It forgets, once there are many, those
// that are whole again.
func (v *vanishes) keep(net netip.Addr, a allowances, now time.Time) {
	const many = 1024
	if len(v.from) >= many {
		for old, b := range v.from {
			if !time.Time(b.hour).After(now) && !time.Time(b.day).After(now) {
				delete(v.from, old)
			}
		}
	}
	if len(v.from) >= 64*many { // only without a bound on all
		clear(v.from)
	}
	if v.from == nil {
		v.from = map[netip.Addr]allowances{}
	}
	v.from[net] = a
}

// vanishHours is how many hours' worth of requests may be sent in a day.
const vanishHours = 5

// allowances are those of an hour and of a day.
type allowances struct{ hour, day allowance }

// take takes one of most an hour and vanishHours times as many a day.
func (a allowances) take(most int, now time.Time) (left allowances, wait time.Duration) {
	hour, soon := a.hour.take(most, time.Hour, now)
	day, late := a.day.take(vanishHours*most, 24*time.Hour, now)
	if wait = max(soon, late); wait > 0 {
		return a, wait
	}
	return allowances{hour, day}, 0
}

// allowance is a token bucket: the time at which it will be full again. The zero
// allowance is full.
type allowance time.Time

// take takes one of most in a period, all of which may be taken at once; 0 is no
// bound. A wait says how long until there is one.
func (a allowance) take(most int, period time.Duration, now time.Time) (left allowance, wait time.Duration) {
	if most == 0 {
		return a, 0
	}
	each := period / time.Duration(most)
	full := time.Time(a)
	if full.Before(now) {
		full = now
	}
	full = full.Add(each)
	if wait = full.Sub(now) - period; wait > 0 {
		return a, wait
	}
	return allowance(full), 0
}
