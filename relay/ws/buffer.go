package ws

import "sync"

// Buffers have one of two pooled sizes. Longer ones are made for one message
// and left to the garbage collector.
const (
	smallSize = 4 << 10
	largeSize = 64 << 10
)

type buffer struct{ b []byte } // len(b) is the buffer's size

var (
	smallBuffers = sync.Pool{New: func() any { return &buffer{make([]byte, smallSize)} }}
	largeBuffers = sync.Pool{New: func() any { return &buffer{make([]byte, largeSize)} }}
)

// takeBuffer returns a pooled buffer for size bytes, or the large one if that
// is less.
func takeBuffer(size int) *buffer {
	if size <= smallSize {
		return smallBuffers.Get().(*buffer)
	}
	return largeBuffers.Get().(*buffer)
}

func (b *buffer) release() {
	switch len(b.b) {
	case smallSize:
		smallBuffers.Put(b)
	case largeSize:
		largeBuffers.Put(b)
	}
}

// grow returns a buffer four times as long, or of most bytes if that is less, with
// keep at its start, and releases b, which is shorter than most.
func (b *buffer) grow(keep []byte, most int) *buffer {
	var next *buffer
	if len(b.b) < largeSize {
		next = takeBuffer(largeSize)
	} else {
		next = &buffer{make([]byte, min(4*len(b.b), most))}
	}
	copy(next.b, keep)
	b.release()
	return next
}
