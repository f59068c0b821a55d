package hub

import (
	"encoding/binary"
	"slices"
)

// kindSet is a list of kinds that filters ask for; all that ask for the same
// have the same one. nil stands for any kind.
type kindSet struct {
	kinds []uint16
	key   string
	refs  int // entries that use it
}

func (k *kindSet) has(kind uint16) bool {
	if k == nil {
		return true
	}
	const few = 8 // up to here a walk is faster
	if len(k.kinds) <= few {
		return slices.Contains(k.kinds, kind)
	}
	_, ok := slices.BinarySearch(k.kinds, kind)
	return ok
}

// kindSetLocked returns the set of these kinds for one more entry.
func (x *Index) kindSetLocked(kinds []uint16) *kindSet {
	if kinds == nil {
		return nil
	}
	b := make([]byte, 0, 64)
	for _, k := range kinds {
		b = binary.BigEndian.AppendUint16(b, k)
	}
	set := x.kindSets.m[string(b)]
	if set == nil {
		set = &kindSet{kinds: slices.Clone(kinds), key: string(b)}
		x.kindSets.put(set.key, set)
	}
	set.refs++
	return set
}

func (x *Index) releaseKindsLocked(set *kindSet) {
	if set == nil {
		return
	}
	if set.refs--; set.refs == 0 {
		x.kindSets.drop(set.key)
	}
}
