package builtin

// aging is a map that forgets what has not been put for long: when the young
// half has most entries, the old half is dropped and the young one grows old.
// Whatever is put again and again stays. It is not safe for concurrent use.
type aging[V any] struct {
	young, old map[uint64]V
	most       int // entries of one half
}

func newAging[V any](most int) aging[V] {
	return aging[V]{map[uint64]V{}, map[uint64]V{}, max(1, most/2)}
}

// get returns what was put last, or the zero V.
func (a *aging[V]) get(key uint64) V {
	if v, ok := a.young[key]; ok {
		return v
	}
	return a.old[key]
}

func (a *aging[V]) put(key uint64, v V) {
	if _, known := a.young[key]; !known && len(a.young) >= a.most {
		clear(a.old)
		a.young, a.old = a.old, a.young
	}
	a.young[key] = v
}
