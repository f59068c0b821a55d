package relay

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/relay/origin"
)

// MemberDesk decides about requests of people. Its texts are for clients.
type MemberDesk interface {
	// Join and Leave answer as an OK does.
	Join(ctx context.Context, pk event.PubKey, code string) (ok bool, why reason.Reason, text string)
	Leave(ctx context.Context, pk event.PubKey) (ok bool, why reason.Reason, text string)
	// Invite returns a code for somebody whom one of these people invites; "", and
	// why not, if none of them may.
	Invite(ctx context.Context, keys []event.PubKey) (code string, why reason.Reason, text string)
}

// requests counts requests by network: codes are not to be guessed. The zero requests
// have counted none.
type requests struct {
	mu   sync.Mutex // guards from
	from map[netip.Addr]allowance
}

func (r *requests) take(ip netip.Addr, most int, now time.Time) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	net := origin.Network(ip)
	left, wait := r.from[net].take(1, most, time.Hour, now)
	if wait == 0 {
		keep(&r.from, net, left, func(a allowance) bool { return a.full(now) })
	}
	return wait
}
