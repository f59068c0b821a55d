package builtin

import (
	"hash/maphash"
	"slices"

	"moa/nips/event"
)

// keySet is a set of public keys: sorted, each once, 32 bytes apiece. It does
// not change once it is made.
type keySet []event.PubKey

func newKeySet(lists ...[]event.PubKey) keySet {
	all := slices.Concat(lists...)
	slices.SortFunc(all, event.ComparePubKeys)
	return slices.Clip(slices.Compact(all))
}

func (s keySet) has(pk event.PubKey) bool {
	_, ok := slices.BinarySearchFunc(s, pk, event.ComparePubKeys)
	return ok
}

// changes is how many keys now has that s has not, and the other way round.
func (s keySet) changes(now keySet) (added, removed int) {
	added, removed = len(now), len(s)
	for len(s) > 0 && len(now) > 0 {
		switch order := event.ComparePubKeys(s[0], now[0]); {
		case order < 0:
			s = s[1:]
		case order > 0:
			now = now[1:]
		default:
			s, now = s[1:], now[1:]
			added, removed = added-1, removed-1
		}
	}
	return added, removed
}

var sumSeed = maphash.MakeSeed()

// sum tells sets apart, in this process.
func (s keySet) sum() uint64 {
	var h maphash.Hash
	h.SetSeed(sumSeed)
	for i := range s {
		h.Write(s[i][:])
	}
	return h.Sum64()
}
