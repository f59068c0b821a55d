package badgerstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"

	"moa/nips/event"
	"moa/store"
)

// The first byte of a key says what it is; ../FORMAT.md draws them all.
const (
	keyRecord    = 'e' // tail -> value: the event itself, newest first
	keyID        = 'i' // id16 -> tail
	keyKind      = 'k' // kind2 tail
	keyAuthor    = 'p' // pubkey16 tail
	keyTag       = 't' // letter1 class1 text tail
	keyLatest    = 'r' // pubkey16 kind2 sha256(d)16 -> tail: the version of an address that is stored
	keyBar       = 'b' // pubkey16 kind2 sha256(d)16 -> tail: the newest version that a newer one took the place of
	keyAlias     = 'o' // pubkey16 kind2 sha256(d)16 tail: an addressable event with a further d tag
	keyGone      = 'd' // id16 pubkey16: deleted by id, by that key
	keyGoneAddr  = 'a' // pubkey16 kind2 sha256(d)16 -> created8: deleted by address, up to that time
	keyVanished  = 'v' // pubkey16 -> created8: vanished, up to that time
	keyExpiry    = 'x' // expires8 tail
	keyJob       = 'j' // serial8 -> op1 tail: a job that is not finished
	keyMeta      = 'm' // name -> value
	short        = 16  // bytes that are kept of an id, a public key or a hash
	addressBytes = short + 2 + short
)

// tail ends every index key and is a record's own key: it orders events as a
// Scan finds them, names the record, and tells enough of it to pass it over
// unread.
//
//	^created_at 8 | id 8 | serial 8 | kind 2 | flags 1
type tail [27]byte

const (
	placeBytes = 24 // of a tail, the part that orders
	flagExpiry = 1  // the event has an expiration
	flagAlias  = 2  // it is addressable and has several d tags
)

func makeTail(e *event.Event, serial store.Serial) (t tail) {
	binary.BigEndian.PutUint64(t[0:], ^uint64(e.CreatedAt))
	copy(t[8:16], e.ID[:])
	binary.BigEndian.PutUint64(t[16:], uint64(serial))
	binary.BigEndian.PutUint16(t[24:], e.Kind)
	if e.Expiration != 0 {
		t[26] |= flagExpiry
	}
	if event.Addressable(e.Kind) && severalD(e) {
		t[26] |= flagAlias
	}
	return t
}

func severalD(e *event.Event) bool {
	n := 0
	for _, t := range e.Tags {
		if t[0] == "d" {
			n++
		}
	}
	return n > 1
}

func (t *tail) created() int64       { return int64(^binary.BigEndian.Uint64(t[:])) }
func (t *tail) serial() store.Serial { return store.Serial(binary.BigEndian.Uint64(t[16:])) }
func (t *tail) kind() uint16         { return binary.BigEndian.Uint16(t[24:]) }
func (t *tail) expires() bool        { return t[26]&flagExpiry != 0 }
func (t *tail) alias() bool          { return t[26]&flagAlias != 0 }

// compare is negative if t comes before u in a Scan.
func (t *tail) compare(u *tail) int { return bytes.Compare(t[:placeBytes], u[:placeBytes]) }

// next precedes every tail that comes after t.
func (t tail) next() tail {
	clear(t[placeBytes:])
	for i := placeBytes - 1; i >= 0; i-- {
		if t[i]++; t[i] != 0 {
			break
		}
	}
	return t
}

// prev follows every tail that comes before t, which must not be zero.
func (t tail) prev() tail {
	for i := placeBytes - 1; i >= 0; i-- {
		if t[i]--; t[i] != 0xff {
			break
		}
	}
	return t
}

// firstTail precedes every event of that second and before.
func firstTail(until int64) (t tail) {
	binary.BigEndian.PutUint64(t[:], ^uint64(until))
	return t
}

// lastTail follows every event.
var lastTail = tail(bytes.Repeat([]byte{0xff}, len(tail{})))

// tailOf reads the tail that key ends with.
func tailOf(key []byte) tail { return tail(key[len(key)-len(tail{}):]) }

func recordKey(t *tail) []byte { return append([]byte{keyRecord}, t[:]...) }

func idKey(id event.ID) []byte { return appendID(nil, id) }

func appendKind(dst []byte, kind uint16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, keyKind), kind)
}

func appendAuthor(dst []byte, pk event.PubKey) []byte {
	return append(append(dst, keyAuthor), pk[:short]...)
}

func appendID(dst []byte, id event.ID) []byte {
	return append(append(dst, keyID), id[:short]...)
}

// tagPrefix makes the key of an entry of a value's tags.
func tagPrefix(entry []byte) []byte {
	return append([]byte{keyTag}, entryKey(entry)...)
}

func goneKey(id event.ID, by event.PubKey) []byte {
	k := append([]byte{keyGone}, id[:short]...)
	return append(k, by[:short]...)
}

func vanishedKey(pk event.PubKey) []byte { return append([]byte{keyVanished}, pk[:short]...) }

// noD is the hash of the d of an address that has none.
var noD = sha256.Sum256(nil)

func addressKey(name byte, a store.Address) []byte {
	d := noD
	if a.D != "" {
		d = sha256.Sum256([]byte(a.D))
	}
	return appendAddress(make([]byte, 0, 1+addressBytes), name, a.PubKey[:], a.Kind, d)
}

func appendAddress(dst []byte, name byte, pk []byte, kind uint16, d [32]byte) []byte {
	dst = append(dst, name)
	dst = append(dst, pk[:short]...)
	dst = binary.BigEndian.AppendUint16(dst, kind)
	return append(dst, d[:short]...)
}

func jobKey(n store.Serial) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyJob}, uint64(n))
}

func appendTime(dst []byte, t int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(t))
}

func readTime(v []byte) int64 {
	if len(v) != 8 {
		return math.MinInt64
	}
	return int64(binary.BigEndian.Uint64(v))
}

// allEvents is the prefix that all records share.
var allEvents = []byte{keyRecord}
