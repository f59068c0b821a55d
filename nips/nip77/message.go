package nip77

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"moa/nips/event"
)

// Version is the byte that messages of protocol version 1 begin with, the only
// one that is spoken here.
const Version = 0x61

// infinity is the time above all others. No record has it.
const infinity = math.MaxUint64

// maxVarint is how many bytes a number takes at most: more say nothing that 64
// bits can hold.
const maxVarint = 10

// mode says what a range comes with.
type mode uint64

const (
	modeSkip        mode = 0 // nothing: there is nothing to do
	modeFingerprint mode = 1 // that of all records in it
	modeIDs         mode = 2 // the ids of all records in it
)

// bound is where a range ends: before the first record that is not below it.
// Only the first n bytes of the id are written, the others are zero.
type bound struct {
	item
	n int
}

// span is a range of a message. It begins where the one before ends.
type span struct {
	upper       bound
	mode        mode
	fingerprint []byte // part of the message
}

var (
	errCut      = errors.New("the message ends in the middle")
	errVarint   = errors.New("a number is longer than 64 bits")
	errTime     = errors.New("a time is 2^64-1 or above")
	errIDLength = errors.New("the id of a bound is longer than 32 bytes")
	errOrder    = errors.New("a range ends before it begins")
	errEmpty    = errors.New("an empty message")
)

// Check reports what is wrong with a message, if it is of a version that is
// spoken here.
func Check(message []byte) error {
	r, err := newReader(message)
	for err == nil && len(r.rest) > 0 {
		_, err = r.span()
	}
	return err
}

// reader takes a message apart. It allocates nothing.
type reader struct {
	version byte
	rest    []byte // nothing of a version that is not spoken here
	last    bound
}

func newReader(message []byte) (r reader, err error) {
	if len(message) == 0 {
		return r, errEmpty
	}
	r.version = message[0]
	if r.version == Version {
		r.rest = message[1:]
	}
	return r, nil
}

func (r *reader) span() (s span, err error) {
	if s.upper, err = r.bound(); err != nil {
		return s, err
	}
	number, err := r.varint()
	if err != nil {
		return s, err
	}
	switch s.mode = mode(number); s.mode {
	case modeSkip:
		return s, nil
	case modeFingerprint:
		s.fingerprint, err = r.bytes(fingerprintSize)
		return s, err
	case modeIDs:
		return s, r.skipIDs()
	}
	return s, fmt.Errorf("mode %d is not known", number)
}

// skipIDs passes over a list: what the client has is the client's to compare.
func (r *reader) skipIDs() error {
	const size = uint64(len(event.ID{}))
	n, err := r.varint()
	if err != nil {
		return err
	}
	if n > uint64(len(r.rest))/size {
		return errCut
	}
	r.rest = r.rest[n*size:]
	return nil
}

func (r *reader) bound() (b bound, err error) {
	if b.time, err = r.time(); err != nil {
		return b, err
	}
	n, err := r.varint()
	switch {
	case err != nil:
		return b, err
	case n > uint64(len(b.id)):
		return b, errIDLength
	}
	b.n = int(n)
	prefix, err := r.bytes(b.n)
	if err != nil {
		return b, err
	}
	copy(b.id[:], prefix)
	if b.compare(&r.last.item) < 0 {
		return b, errOrder
	}
	r.last = b
	return b, nil
}

// time reads how much later than the one before a time is, plus 1; 0 is infinity.
func (r *reader) time() (uint64, error) {
	n, err := r.varint()
	if err != nil || n == 0 {
		return infinity, err
	}
	if n-1 >= infinity-r.last.time {
		return 0, errTime
	}
	return r.last.time + n - 1, nil
}

// varint reads a number, base 128, the highest digits first; all digits but the
// last have their high bit set.
func (r *reader) varint() (n uint64, err error) {
	for i, b := range r.rest[:min(maxVarint, len(r.rest))] {
		if n > math.MaxUint64>>7 {
			return 0, errVarint
		}
		n = n<<7 | uint64(b&0x7f)
		if b < 0x80 {
			r.rest = r.rest[i+1:]
			return n, nil
		}
	}
	if len(r.rest) >= maxVarint {
		return 0, errVarint
	}
	return 0, errCut
}

func (r *reader) bytes(n int) ([]byte, error) {
	if n > len(r.rest) {
		return nil, errCut
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b, nil
}

func appendVarint(dst []byte, n uint64) []byte {
	shift := 0
	for n>>shift > 0x7f && shift < 63 {
		shift += 7
	}
	for ; shift > 0; shift -= 7 {
		dst = append(dst, byte(n>>shift)|0x80)
	}
	return append(dst, byte(n)&0x7f)
}

// appendBound appends b, where last is the time of the bound before.
func appendBound(dst []byte, last uint64, b *bound) []byte {
	if b.time == infinity {
		dst = append(dst, 0)
	} else {
		dst = appendVarint(dst, b.time-last+1)
	}
	dst = appendVarint(dst, uint64(b.n))
	return append(dst, b.id[:b.n]...)
}

// between is the shortest bound that has a below it and b not.
func between(a, b *item) bound {
	if a.time != b.time {
		return bound{item: item{time: b.time}}
	}
	n := 0
	for n < len(b.id)-1 && a.id[n] == b.id[n] {
		n++
	}
	short := bound{item: item{time: b.time}, n: n + 1}
	copy(short.id[:], b.id[:short.n])
	return short
}

// is reports whether fingerprint is the one that the span came with.
func (s *span) is(fingerprint [fingerprintSize]byte) bool {
	return bytes.Equal(s.fingerprint, fingerprint[:])
}
