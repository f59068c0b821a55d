// Package nip77 is the relay's side of NIP-77: it answers negentropy messages,
// protocol version 1, out of a set of records, and takes them for what a
// stranger may have written. It is no client: it begins nothing and learns
// nothing of what the other side has.
package nip77

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"

	"moa/nips/event"
)

// blockItems is how many items are allocated at a time; fingerprints add up at
// most twice as many, however much they are of.
const blockItems = 256

// item is one record: 40 bytes, all that a Set keeps of an event.
type item struct {
	time uint64 // Unix seconds
	id   event.ID
}

// Set is what the relay has, of one filter. The zero Set is empty. Once it is
// sealed it does not change, and is safe for concurrent use.
type Set struct {
	blocks [][]item // newest first; once sealed, items are counted from their end
	n      int
	sums   []sum // of the blocks before each, and of all
}

// Add adds an event. They come newest first and, of the same second, by
// ascending id: as a store.Scan finds them.
func (s *Set) Add(createdAt int64, id event.ID) {
	if s.n%blockItems == 0 {
		s.blocks = append(s.blocks, nil)
	}
	last := &s.blocks[len(s.blocks)-1]
	if len(*last) == cap(*last) && s.n >= blockItems {
		*last = make([]item, 0, blockItems)
	}
	*last = append(*last, item{uint64(createdAt), id})
	s.n++
}

// Len is how many events were added.
func (s *Set) Len() int { return s.n }

// Seal puts the events in the order of the protocol, by time and id. Nothing is
// added after it.
func (s *Set) Seal() {
	for from := 0; from < s.n; {
		to := from + 1
		for to < s.n && s.added(to).time == s.added(from).time {
			to++
		}
		for i, k := from, to-1; i < k; i, k = i+1, k-1 {
			a, b := s.added(i), s.added(k)
			*a, *b = *b, *a
		}
		from = to
	}
	s.sums = make([]sum, 1, len(s.blocks)+1)
	for i, b := range s.blocks {
		total := s.sums[i]
		for k := range b {
			total.add(&b[k].id)
		}
		s.sums = append(s.sums, total)
	}
}

// added is the i-th from the newest.
func (s *Set) added(i int) *item { return &s.blocks[i/blockItems][i%blockItems] }

// at is the i-th in the order of the protocol.
func (s *Set) at(i int) *item { return s.added(s.n - 1 - i) }

// find returns the first item, from the given one on, that is not below b.
func (s *Set) find(from int, b *bound) int {
	to := s.n
	for from < to {
		mid := int(uint(from+to) / 2)
		if it := s.at(mid); it.compare(&b.item) < 0 {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return from
}

func (a *item) compare(b *item) int {
	switch {
	case a.time < b.time:
		return -1
	case a.time > b.time:
		return 1
	}
	return slices.Compare(a.id[:], b.id[:])
}

// fingerprintSize is in bytes.
const fingerprintSize = 16

// fingerprint is that of the items from the given one up to and without to.
func (s *Set) fingerprint(from, to int) [fingerprintSize]byte {
	total := s.sum(s.n - from)
	less := s.sum(s.n - to)
	total.sub(&less)
	var buf [len(event.ID{}) + maxVarint]byte
	hash := sha256.Sum256(appendVarint(total.append(buf[:0]), uint64(to-from)))
	return [fingerprintSize]byte(hash[:fingerprintSize])
}

// sum is that of the n newest.
func (s *Set) sum(n int) sum {
	total := s.sums[n/blockItems]
	for i := n / blockItems * blockItems; i < n; i++ {
		total.add(&s.added(i).id)
	}
	return total
}

// sum is a sum of ids, little-endian numbers, modulo 2^256.
type sum [4]uint64

func (s *sum) add(id *event.ID) {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], binary.LittleEndian.Uint64(id[8*i:]), carry)
	}
}

func (s *sum) sub(b *sum) {
	var borrow uint64
	for i := range s {
		s[i], borrow = bits.Sub64(s[i], b[i], borrow)
	}
}

func (s *sum) append(dst []byte) []byte {
	for _, word := range s {
		dst = binary.LittleEndian.AppendUint64(dst, word)
	}
	return dst
}
