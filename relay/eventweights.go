package relay

import (
	"net/netip"
	"sync"
	"time"
)

// weights are what networks have sent of heavy events. The zero weights are
// of none.
type weights struct {
	mu   sync.Mutex               // guards the following
	from map[netip.Addr]allowance // by network, of those that are not whole
}

// take takes so much weight of most a minute, or says for how long there is not
// enough. 0 is no bound.
func (v *weights) take(net netip.Addr, weight, most int, now time.Time) (wait time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	left, wait := v.from[net].take(weight, most, time.Minute, now)
	if wait > 0 || most == 0 {
		return wait
	}
	keep(&v.from, net, left, func(a allowance) bool { return a.full(now) })
	return 0
}
