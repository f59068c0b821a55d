package hub

import (
	"cmp"
	"maps"
	"slices"
)

// Subscriptions come in waves, at noon and whenever a popular client starts
// again. A Go map never gives back the memory of the highest wave; these maps do.

// shrinking is a map that gives memory back: when less than a quarter of what
// it held is left, what is left moves to a new one.
type shrinking[K comparable, V any] struct {
	m    map[K]V
	most int // entries, since it was made
}

// small maps stay as they are.
const small = 1024

func (s *shrinking[K, V]) put(k K, v V) {
	if s.m == nil {
		s.m = map[K]V{}
	}
	s.m[k] = v
	s.most = max(s.most, len(s.m))
}

// drop reports whether it has shrunk.
func (s *shrinking[K, V]) drop(k K) bool {
	delete(s.m, k)
	if s.most <= small || len(s.m) >= s.most/4 {
		return false
	}
	s.most = len(s.m)
	m := make(map[K]V, s.most)
	maps.Copy(m, s.m)
	s.m = m
	return true
}

// numbered is a list whose places are given out by number and used again.
type numbered[T any] struct {
	list []T
	free []uint32
}

func (l *numbered[T]) take(v T) uint32 {
	if last := len(l.free) - 1; last >= 0 {
		n := l.free[last]
		l.free = l.free[:last]
		l.list[n] = v
		return n
	}
	l.list = append(l.list, v)
	return uint32(len(l.list) - 1)
}

func (l *numbered[T]) drop(n uint32) {
	var none T
	l.list[n] = none
	l.free = append(l.free, n)
}

// trim gives back the free places behind the last that is taken. The others
// are used from now on from the first, so that the next time there is more
// behind.
func (l *numbered[T]) trim() {
	slices.SortFunc(l.free, func(a, b uint32) int { return cmp.Compare(b, a) })
	n, k := len(l.list), 0
	for k < len(l.free) && int(l.free[k]) == n-1 {
		k, n = k+1, n-1
	}
	l.list = append([]T(nil), l.list[:n]...)
	l.free = append([]uint32(nil), l.free[k:]...)
}

// fitting returns s, in less memory if it fills less than a quarter of it.
func fitting[T any](s []T) []T {
	if cap(s) <= small || len(s) >= cap(s)/4 {
		return s
	}
	return append(make([]T, 0, 2*len(s)), s...)
}
