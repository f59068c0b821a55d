package relay

import (
	"cmp"
	"maps"
	"slices"
)

// relieve ends connections for which too much waits until an eighth of the bound
// is free again: of an address that is beyond its share its own, and if all
// together have too much, of the address that has the most, each time the one
// for which the most waits.
func (s *Server) relieve(a *account) {
	if !s.relieving.TryLock() {
		return // somebody is at it
	}
	defer s.relieving.Unlock()
	bound := s.ledger.bounds.Load()[ofOutbox]
	switch a.beyond(ofOutbox, 1) {
	case ofAddress:
		for _, c := range s.heaviest()[a] {
			if a.held[ofOutbox].Load() <= bound.share-bound.share/8 {
				return
			}
			c.relieve(dropShare)
		}
	case ofAll:
		byAddress := s.heaviest()
		for s.ledger.held[ofOutbox].Load() > bound.most-bound.most/8 && len(byAddress) > 0 {
			most := slices.MaxFunc(slices.Collect(maps.Keys(byAddress)), func(a, b *account) int {
				return cmp.Compare(a.held[ofOutbox].Load(), b.held[ofOutbox].Load())
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
func (s *Server) heaviest() map[*account][]*session {
	waiting := map[*session]int{}
	all := map[*account][]*session{}
	for _, c := range s.conns.list() {
		if n := c.out.load(); n > 0 {
			waiting[c] = n
			all[c.account] = append(all[c.account], c)
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b *session) int { return cmp.Compare(waiting[b], waiting[a]) })
	}
	return all
}

// relieve ends the session for others' sake.
func (s *session) relieve(why dropReason) {
	queued, ok := s.out.condemn()
	if !ok {
		return
	}
	s.srv.ledger.refuse(ofOutbox, map[dropReason]scope{dropShare: ofAddress, dropTotal: ofAll}[why])
	s.cut(why, queued)
}
