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

// kindSets are the sets that there are, by their kinds.
type kindSets struct {
	shrinking[string, *kindSet]
}

// take returns the set of these kinds for one more entry.
func (l *kindSets) take(kinds []uint16) *kindSet {
	if kinds == nil {
		return nil
	}
	b := make([]byte, 0, 64)
	for _, k := range kinds {
		b = binary.BigEndian.AppendUint16(b, k)
	}
	set := l.m[string(b)]
	if set == nil {
		set = &kindSet{kinds: slices.Clone(kinds), key: string(b)}
		l.put(set.key, set)
	}
	set.refs++
	return set
}

// release takes back what take has returned.
func (l *kindSets) release(set *kindSet) {
	if set == nil {
		return
	}
	if set.refs--; set.refs == 0 {
		l.drop(set.key)
	}
}
