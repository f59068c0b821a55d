package policy

// kindSet is a bitmap of all kinds.
type kindSet [1 << 16 / 64]uint64

// newKindSet holds the kinds given; nil: all.
func newKindSet(kinds []uint16) *kindSet {
	s := new(kindSet)
	if kinds == nil {
		for i := range s {
			s[i] = ^uint64(0)
		}
	}
	for _, k := range kinds {
		s[k>>6] |= 1 << (k & 63)
	}
	return s
}

func (s *kindSet) has(kind uint16) bool { return s[kind>>6]>>(kind&63)&1 == 1 }

func (s *kindSet) addAll(other *kindSet) {
	for i, w := range other {
		s[i] |= w
	}
}
