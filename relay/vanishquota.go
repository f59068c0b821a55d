package relay

import (
	"net/netip"
	"sync"
	"time"

	"moa/relay/origin"
)

// No policy may refuse a request to vanish (NIP-62), and each costs the writer
// more than an event does, whether there is anything to delete or not, and stays.
// So what is sent in an hour and in a day is bounded here: from one network, and in
// all.

// maxVanishBytes is the most of a request to vanish, as JSON: it stays, whatever
// its author is. That is room for 200 relays and a reason.
const maxVanishBytes = 16 << 10

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
	keep(&v.from, net, mine, func(a allowances) bool { return a.hour.full(now) && a.day.full(now) })
	return vanishTaken, 0
}

// keep remembers a network's allowance. It looks at a few others, wherever in the
// map, and forgets those that are whole again.
func keep[A any](from *map[netip.Addr]A, net netip.Addr, a A, whole func(A) bool) {
	const (
		few  = 4
		most = 1 << 16 // memory has a bound; so many networks are let off
	)
	looked := 0
	for old, b := range *from {
		if whole(b) {
			delete(*from, old)
		}
		if looked++; looked == few {
			break
		}
	}
	if *from == nil || len(*from) >= most {
		*from = map[netip.Addr]A{}
	}
	(*from)[net] = a
}

// vanishHours is how many hours' worth of requests may be sent in a day.
const vanishHours = 5

// allowances are those of an hour and of a day.
type allowances struct{ hour, day allowance }

// take takes one of most an hour and vanishHours times as many a day.
func (a allowances) take(most int, now time.Time) (left allowances, wait time.Duration) {
	hour, soon := a.hour.take(1, most, time.Hour, now)
	day, late := a.day.take(1, vanishHours*most, 24*time.Hour, now)
	if wait = max(soon, late); wait > 0 {
		return a, wait
	}
	return allowances{hour, day}, 0
}

// allowance is a token bucket: the time at which it will be full again. The zero
// allowance is full.
type allowance time.Time

// full reports that all of it is there.
func (a allowance) full(now time.Time) bool { return !time.Time(a).After(now) }

// take takes n of most in a period, all of which may be taken at once; 0 is no
// bound, and more than most is all of it. A wait says how long until there are n.
func (a allowance) take(n, most int, period time.Duration, now time.Time) (left allowance, wait time.Duration) {
	if most == 0 {
		return a, 0
	}
	full := time.Time(a)
	if full.Before(now) {
		full = now
	}
	full = full.Add(time.Duration(float64(period) * float64(min(n, most)) / float64(most)))
	if wait = full.Sub(now) - period; wait > 0 {
		return a, wait
	}
	return allowance(full), 0
}
