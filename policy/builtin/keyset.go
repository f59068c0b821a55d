package builtin

import (
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
