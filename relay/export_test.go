package relay

import (
	"net/netip"
	"time"

	"moa/relay/shares"
)

// SetMessageTimeout has connections from now on end when a message takes longer to
// arrive.
func SetMessageTimeout(s *Server, timeout time.Duration) {
	o := *s.upgrade.Load()
	o.MessageTimeout = timeout
	s.upgrade.Store(&o)
}

// DropReasons are the values of a metric's label.
func DropReasons() (list []string) {
	for _, r := range dropReasons {
		list = append(list, string(r))
	}
	return list
}

// HeldBy is what the address holds of a total, and the share that it may have.
func HeldBy(s *Server, ip, of string) (held, share int64) {
	s.conns.mu.Lock()
	a := s.conns.from[accountKey{net: netip.MustParseAddr(ip)}]
	s.conns.mu.Unlock()
	for t := range shares.Totals {
		if t.String() == of && a != nil {
			held = a.Held(t)
		}
		if t.String() == of {
			share = s.ledger.Bound(t).Share
		}
	}
	return held, share
}

// KeepBusy has the address wait for so long before it may say more.
func KeepBusy(s *Server, ip string, d time.Duration) {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	s.conns.from[accountKey{net: netip.MustParseAddr(ip)}].pace.charge(time.Since(paceBegan), d)
}
