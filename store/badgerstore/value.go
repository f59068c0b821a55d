package badgerstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"moa/nips/event"
	"moa/store"
)

// value is a record: a head with all that a filter asks about,
// so that nothing is parsed when it is read, and the event's bytes.
//
//	version 1 | kind 2 | created_at 8 | expiration 8 | id 32 | pubkey 32 |
//	length 4 of the entries | entries: letter 1, class 1, text | event.Raw
//
// There is one entry for each different value of a one-letter tag.
type value []byte

const (
	valueVersion = 1
	headBytes    = 1 + 2 + 8 + 8 + 32 + 32 + 4
)

// The class of an entry's text. Up to maxPlain it is the length of the text,
// which stands there as it is.
const (
	maxPlain  = 64
	classHex  = 0xfe // 64 lower-case hex characters, as 32 bytes
	classHash = 0xff // a longer text, as its sha256
)

var errValue = errors.New("record is damaged")

func (v value) kind() uint16      { return binary.BigEndian.Uint16(v[1:]) }
func (v value) created() int64    { return int64(binary.BigEndian.Uint64(v[3:])) }
func (v value) expires() int64    { return int64(binary.BigEndian.Uint64(v[11:])) }
func (v value) id() *event.ID     { return (*event.ID)(v[19:51]) }
func (v value) pk() *event.PubKey { return (*event.PubKey)(v[51:83]) }
func (v value) entries() []byte   { return v[headBytes:v.rawAt()] }
func (v value) raw() []byte       { return v[v.rawAt():] }
func (v value) rawAt() int        { return headBytes + int(binary.BigEndian.Uint32(v[83:])) }

// check reports bytes that are no value. Everything else may trust it.
func (v value) check() error {
	if len(v) < headBytes || v[0] != valueVersion || v.rawAt() > len(v) {
		return errValue
	}
	return nil
}

// record is what a Scan finds of v.
func (v value) record(t *tail) store.Record {
	return store.Record{
		Serial: t.serial(), ID: *v.id(), PubKey: *v.pk(), Kind: v.kind(), CreatedAt: v.created(),
		Raw: v.raw(),
	}
}

// tail is the tail of v, but for flagAlias, which v does not tell.
func (v value) tail(serial store.Serial) (t tail) {
	binary.BigEndian.PutUint64(t[0:], ^uint64(v.created()))
	copy(t[8:16], v[19:27])
	binary.BigEndian.PutUint64(t[16:], uint64(serial))
	binary.BigEndian.PutUint16(t[24:], v.kind())
	if v.expires() != 0 {
		t[26] |= flagExpiry
	}
	return t
}

// makeValue packs e. The value shares no memory with it.
func makeValue(e *event.Event) value {
	v := make([]byte, headBytes, headBytes+len(e.Raw)+40*len(e.Tags))
	v[0] = valueVersion
	binary.BigEndian.PutUint16(v[1:], e.Kind)
	binary.BigEndian.PutUint64(v[3:], uint64(e.CreatedAt))
	binary.BigEndian.PutUint64(v[11:], uint64(e.Expiration))
	copy(v[19:], e.ID[:])
	copy(v[51:], e.PubKey[:])
	v = appendEntries(v, e.Tags)
	binary.BigEndian.PutUint32(v[83:], uint32(len(v)-headBytes))
	return append(v, e.Raw...)
}

// appendEntries appends an entry for each different value of a one-letter tag.
func appendEntries(v []byte, tags []event.Tag) []byte {
	first := len(v)
	var seen map[string]struct{} // once there are many
	if len(tags) > fewTags {
		seen = make(map[string]struct{}, len(tags))
	}
	for _, t := range tags {
		if len(t) < 2 || len(t[0]) != 1 || !letter(t[0][0]) {
			continue
		}
		start := len(v)
		v = appendEntry(v, t[0][0], t[1])
		if seen == nil {
			if hasEntry(v[first:start], v[start:]) {
				v = v[:start]
			}
			continue
		}
		if _, ok := seen[string(v[start:])]; ok {
			v = v[:start]
			continue
		}
		seen[string(v[start:])] = struct{}{}
	}
	return v
}

// fewTags are compared with each other, without a map.
const fewTags = 16

// hasEntry reports whether entry is among entries.
func hasEntry(entries, entry []byte) bool {
	for b := entries; len(b) > 1; b = b[entrySize(b):] {
		if bytes.HasPrefix(b, entry) {
			return true
		}
	}
	return false
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func appendEntry(dst []byte, letter byte, text string) []byte {
	switch {
	case len(text) == 64 && lowerHex(text):
		dst = append(dst, letter, classHex)
		dst, _ = hex.AppendDecode(dst, []byte(text)) // cannot fail: lowerHex
		return dst
	case len(text) <= maxPlain:
		dst = append(dst, letter, byte(len(text)))
		return append(dst, text...)
	}
	sum := sha256.Sum256([]byte(text))
	dst = append(dst, letter, classHash)
	return append(dst, sum[:]...)
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// entrySize is the length of the entry that b begins with.
func entrySize(b []byte) int {
	if b[1] >= classHex {
		return 2 + 32
	}
	return 2 + int(b[1])
}

// cutInKey reports an entry of which an index key holds only the beginning.
// Anybody can make another value that begins so, unlike a public key.
func cutInKey(entry []byte) bool { return entry[1] >= classHex }

// entryKey is as much of an entry as an index key holds.
func entryKey(entry []byte) []byte {
	if cutInKey(entry) {
		return entry[:2+short]
	}
	return entry
}

// eachEntry calls yield for every entry.
func (v value) eachEntry(yield func(entry []byte) bool) {
	for b := v.entries(); len(b) > 1; {
		n := min(entrySize(b), len(b))
		if !yield(b[:n]) {
			return
		}
		b = b[n:]
	}
}

// keys calls yield with every key that the event has beside its record and its
// address. The key is valid only during the call.
func (v value) keys(t *tail, yield func(key []byte)) {
	var buf [1 + 8 + maxPlain + 2 + len(tail{})]byte
	with := func(prefix ...byte) { yield(append(append(buf[:0], prefix...), t[:]...)) }

	yield(append(append(buf[:0], keyID), v.id()[:short]...))
	with(keyKind, v[1], v[2])
	with(append(append(buf[:0], keyAuthor), v.pk()[:short]...)...)
	for entry := range v.eachEntry {
		with(append(append(buf[:0], keyTag), entryKey(entry)...)...)
	}
	v.regionKeys(with)
	if t.expires() {
		with(append(append(buf[:0], keyExpiry), v[11:19]...)...)
	}
	if t.alias() {
		for entry := range v.eachEntry {
			if entry[0] == 'd' {
				with(appendAddress(buf[:0], keyAlias, v.pk()[:], v.kind(), entryHash(entry))...)
			}
		}
	}
}

// ops is the most keys that it takes to store or to drop the event.
func (v value) ops() int64 {
	if len(v) == 0 {
		return 1
	}
	n := int64(7)
	for entry := range v.eachEntry {
		n++
		switch entry[0] {
		case 'd':
			n++
		case 'g':
			n += int64(len(regionLengths))
		}
	}
	return n
}

// latestKey is the key of the event's address, or nil if it has none or, for
// its several d tags, the value does not tell it.
func (v value) latestKey(t *tail) []byte {
	d := noD
	switch {
	case event.Replaceable(v.kind()):
	case event.Addressable(v.kind()) && !t.alias():
		for entry := range v.eachEntry {
			if entry[0] == 'd' {
				d = entryHash(entry)
				break
			}
		}
	default:
		return nil
	}
	return appendAddress(nil, keyLatest, v.pk()[:], v.kind(), d)
}

// entryHash is the sha256 of the text that an entry stands for.
func entryHash(entry []byte) [32]byte {
	switch entry[1] {
	case classHash:
		return [32]byte(entry[2:])
	case classHex:
		return sha256.Sum256(hex.AppendEncode(nil, entry[2:]))
	}
	return sha256.Sum256(entry[2:])
}
