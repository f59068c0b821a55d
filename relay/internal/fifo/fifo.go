// Package fifo is a queue: first in, first out.
package fifo

// Queue is a queue that uses its memory again. The zero Queue is empty.
type Queue[T any] struct {
	buf  []T
	head int
	n    int
}

// Len is how many wait.
func (q *Queue[T]) Len() int { return q.n }

// Push adds v behind the others.
func (q *Queue[T]) Push(v T) {
	if q.n == len(q.buf) {
		grown := make([]T, max(4, 2*len(q.buf)))
		k := copy(grown, q.buf[q.head:])
		copy(grown[k:], q.buf[:q.head])
		q.buf, q.head = grown, 0
	}
	q.buf[(q.head+q.n)%len(q.buf)] = v
	q.n++
}

// Pop takes the first out. There must be one.
func (q *Queue[T]) Pop() T {
	var zero T
	v := q.buf[q.head]
	q.buf[q.head] = zero
	q.head = (q.head + 1) % len(q.buf)
	q.n--
	return v
}
