package relay

import (
	"cmp"
	"maps"
	"slices"

	"moa/relay/shares"
)

// relieve ends connections for which too much waits until an eighth of the bound
// is free again: of an address that is beyond its share its own, and if all
// together have too much, of the address that has the most, each time the one
// for which the most waits.
func (s *Server) relieve(a *shares.Account) {
	if !s.relieving.TryLock() {
		return // another goroutine is at it
	}
	defer s.relieving.Unlock()
	bound := s.ledger.Bound(shares.Outbox)
	switch a.Beyond(shares.Outbox, 1) {
	case shares.Address:
		for _, c := range s.heaviest()[a] {
			if a.Held(shares.Outbox) <= bound.Share-bound.Share/8 {
				return
			}
			c.relieve(dropShare)
		}
	case shares.All:
		byAddress := s.heaviest()
		for s.ledger.Held(shares.Outbox) > bound.Most-bound.Most/8 && len(byAddress) > 0 {
			most := slices.MaxFunc(slices.Collect(maps.Keys(byAddress)), func(a, b *shares.Account) int {
				return cmp.Compare(a.Held(shares.Outbox), b.Held(shares.Outbox))
			})
			byAddress[most][0].relieve(dropTotal)
			if byAddress[most] = byAddress[most][1:]; len(byAddress[most]) == 0 {
				delete(byAddress, most)
			}
		}
	}
}

// heaviest are the connections of each address for which anything waits, first
// those for which the most does.
func (s *Server) heaviest() map[*shares.Account][]*session {
	waiting := map[*session]int{}
	all := map[*shares.Account][]*session{}
	for _, c := range s.conns.list() {
		if n := c.out.Load(); n > 0 {
			waiting[c] = n
			all[c.account.Account] = append(all[c.account.Account], c)
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b *session) int { return cmp.Compare(waiting[b], waiting[a]) })
	}
	return all
}
