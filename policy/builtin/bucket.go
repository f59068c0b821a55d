package builtin

import (
	"hash/maphash"
	"sync"
	"time"

	"moa/nips/event"
	"moa/nips/geohash"
)

// bucketKey says whose bucket it is; what a limit does not count by is zero.
type bucketKey struct {
	ip     [8]byte // the first half of an IPv6 address, or an IPv4 address behind four 0xff
	pubKey event.PubKey
	kind   int32 // plus one
	cell   [geohash.MaxLen]byte
}

// buckets are token buckets, each a single time: the moment at which the bucket
// will be full again (the generic cell rate algorithm). What is full need not
// be remembered, so it is no loss that they age.
//
// A bucket is found by a hash of 64 bits under a key of this process, so that
// nobody can aim for another one's bucket.
type buckets struct {
	each time.Duration // one token comes back in this time
	full time.Duration // all of them do
	seed maphash.Seed
	// shards are many so that connections do not wait for each other.
	shards [16]bucketShard
}

type bucketShard struct {
	mu   sync.Mutex   // guards the following
	full aging[int64] // the times, in nanoseconds
}

// newBuckets lets burst pass at once and n per interval in the long run, and
// remembers about most keys.
func newBuckets(n int, interval time.Duration, burst, most int) *buckets {
	b := &buckets{each: interval / time.Duration(n), seed: maphash.MakeSeed()}
	b.full = b.each * time.Duration(burst)
	for i := range b.shards {
		b.shards[i].full = newAging[int64](most / len(b.shards))
	}
	return b
}

// take takes a token of the key's bucket. Without one left it returns false and
// how long until the next.
func (b *buckets) take(key bucketKey, now time.Time) (wait time.Duration, ok bool) {
	h := maphash.Comparable(b.seed, key)
	return b.shards[h%uint64(len(b.shards))].take(h, now.UnixNano(), int64(b.each), int64(b.full))
}

func (s *bucketShard) take(h uint64, now, each, full int64) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// No bucket is emptier than empty, not even after the clock has been set back.
	refilled := min(max(s.full.get(h), now), now+full)
	wait := refilled + each - full - now
	if wait <= 0 {
		refilled += each
	}
	s.full.put(h, refilled) // refused ones too: a client that keeps sending is not forgotten
	return time.Duration(wait), wait <= 0
}
