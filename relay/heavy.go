package relay

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay/origin"
	"moa/relay/shares"
)

// What costs much takes a slot of its address, or of what that may send in a
// minute. What does not is what nearly all clients send, and pays for neither.
const (
	heavyMessage = 8 << 10  // bytes
	heavyFilters = 64 << 10 // of filterBytes: some 300 values
	fewInARow    = 8        // messages, or signatures, that came without a pause
	lightWeight  = 128      // of an event: see ticket.weight
)

// heavy reports a message that takes a slot to be read.
func (s *session) heavy(n int) bool {
	return n >= heavyMessage || s.row > fewInARow || s.batch != nil && len(s.batch.tickets) > fewInARow
}

func (s *session) parse(frame []byte) (wire.Message, error) {
	if s.heavy(len(frame)) {
		s.account.slots.take()
		defer s.account.giveSlot()
	}
	return wire.Parse(frame)
}

func (s *session) parseEvent(raw []byte) (*event.Event, error) {
	if s.heavy(len(raw)) {
		s.account.slots.take()
		defer s.account.giveSlot()
	}
	return parseEvent(raw)
}

// leave is subscriptions.remove.
func (s *session) leave(q *query) {
	if q.bytes >= heavyFilters {
		s.account.slots.take()
		defer s.account.giveSlot()
	}
	s.subs.remove(q)
}

// mayWeigh takes an event of many tags, or a large one, into account. The writer
// is one for all, and no other event is decided while it stores such a one.
func (s *session) mayWeigh(st *settings, t *ticket) policy.Verdict {
	w := t.weight()
	if w <= lightWeight || s.local || event.Ephemeral(t.e.Kind) {
		return policy.Verdict{}
	}
	wait := s.weights.take(s.ip, w, st.cfg.Limits.TagsPerIP, s.now())
	if wait <= 0 {
		return policy.Verdict{}
	}
	s.ledger.Refuse(shares.Tags, shares.Address)
	return policy.Refuse(reason.RateLimited, fmt.Sprintf("too many events of many tags from your address, try again in %s", max(wait, time.Second).Round(time.Second)))
}

// weights are what networks have sent of heavy events. The zero weights are of
// nobody.
type weights struct {
	mu   sync.Mutex               // guards the following
	from map[netip.Addr]allowance // by network, of those that are not whole
}

// take takes so much weight of most a minute, or says for how long there is not
// enough. 0 is no bound.
func (v *weights) take(ip netip.Addr, weight, most int, now time.Time) (wait time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	net := origin.Network(ip)
	left, wait := v.from[net].take(weight, most, time.Minute, now)
	if wait > 0 || most == 0 {
		return wait
	}
	keep(&v.from, net, left, func(a allowance) bool { return a.full(now) })
	return 0
}
