// Package event holds Nostr events and filters as values: parsed once from
// untrusted bytes, immutable from then on (NIP-01). It does no I/O, starts no
// goroutine, knows no clock, and does not verify signatures (package sig does).
package event

import (
	"encoding/hex"
	"strconv"
	"unsafe"

	"moa/nips/internal/scan"
)

// ID is an event's id: the sha256 of its canonical serialisation.
type ID [32]byte

// PubKey is an x-only secp256k1 public key (BIP-340).
type PubKey [32]byte

// Tag is a tag's elements: at least one, the first is its name.
type Tag []string

// Event is one Nostr event. It is immutable after Parse and may be shared
// freely between goroutines.
type Event struct {
	ID        ID
	PubKey    PubKey
	Sig       [64]byte
	Kind      uint16
	CreatedAt int64 // Unix seconds, never negative
	// Expiration is the NIP-40 time in Unix seconds; 0: it never expires.
	Expiration int64
	Tags       []Tag
	Content    string
	// Raw is the event's JSON object: compact, the seven keys of NIP-01 once
	// each and no other. It is what is stored and sent. Tags and Content may
	// share its memory.
	Raw []byte
}

func (id ID) String() string     { return hex.EncodeToString(id[:]) }
func (pk PubKey) String() string { return hex.EncodeToString(pk[:]) }

// Bytes is about what the event takes in memory: a tag of empty values takes
// several times what it takes in Raw.
func (e *Event) Bytes() int {
	n := 256 + len(e.Raw) + len(e.Tags)*int(unsafe.Sizeof(Tag(nil)))
	for _, t := range e.Tags {
		n += len(t) * int(unsafe.Sizeof(""))
	}
	return n
}

// Value returns the second element of the first tag of that name, and whether
// there is such a tag. A tag of one element has the value "".
func (e *Event) Value(name string) (string, bool) {
	for _, t := range e.Tags {
		if t[0] == name {
			return t.Value(), true
		}
	}
	return "", false
}

// Value returns the tag's second element, or "".
func (t Tag) Value() string {
	if len(t) > 1 {
		return t[1]
	}
	return ""
}

// PubKey returns the public key that the tag's second element is, and whether it
// is one.
func (t Tag) PubKey() (pk PubKey, ok bool) {
	if len(t) < 2 || !decodeHex(pk[:], t[1]) {
		return PubKey{}, false
	}
	return pk, true
}

// D returns the `d` value that is part of an addressable event's address: the
// first d tag decides; none, ["d"] and ["d",""] are the same address.
func (e *Event) D() string {
	d, _ := e.Value("d")
	return d
}

// Protected reports a `-` tag (NIP-70).
func (e *Event) Protected() bool {
	_, ok := e.Value("-")
	return ok
}

// Append appends the event as compact JSON in canonical key order. Parse gives
// back an equal event.
func (e *Event) Append(dst []byte) []byte {
	dst = append(dst, `{"id":"`...)
	dst = hex.AppendEncode(dst, e.ID[:])
	dst = append(dst, `","pubkey":"`...)
	dst = hex.AppendEncode(dst, e.PubKey[:])
	dst = append(dst, `","created_at":`...)
	dst = strconv.AppendInt(dst, e.CreatedAt, 10)
	dst = append(dst, `,"kind":`...)
	dst = strconv.AppendUint(dst, uint64(e.Kind), 10)
	dst = append(dst, `,"tags":`...)
	dst = e.appendTags(dst, scan.AppendQuoted)
	dst = append(dst, `,"content":`...)
	dst = scan.AppendQuoted(dst, e.Content)
	dst = append(dst, `,"sig":"`...)
	dst = hex.AppendEncode(dst, e.Sig[:])
	return append(dst, `"}`...)
}

func (e *Event) appendTags(dst []byte, quote func([]byte, string) []byte) []byte {
	dst = append(dst, '[')
	for i, t := range e.Tags {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		for j, v := range t {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = quote(dst, v)
		}
		dst = append(dst, ']')
	}
	return append(dst, ']')
}
