package event

import (
	"encoding/hex"
	"fmt"
)

// unhex maps a lower-case hex digit to its value, everything else to 0xff:
// NIP-01 knows no upper-case hex.
var unhex = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = byte(i)
	}
	return t
}()

// decodeHex fills dst from exactly 2*len(dst) lower-case hex digits.
func decodeHex[T string | []byte](dst []byte, src T) bool {
	if len(src) != 2*len(dst) {
		return false
	}
	for i := range dst {
		hi, lo := unhex[src[2*i]], unhex[src[2*i+1]]
		if hi|lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

// ParseID reads 64 lower-case hex digits.
func ParseID(s string) (id ID, err error) {
	if !decodeHex(id[:], s) {
		return ID{}, fmt.Errorf("%q is not an event id: want 64 lower-case hex characters", s)
	}
	return id, nil
}

// ParsePubKey reads 64 lower-case hex digits.
func ParsePubKey(s string) (pk PubKey, err error) {
	if !decodeHex(pk[:], s) {
		return PubKey{}, fmt.Errorf("%q is not a public key: want 64 lower-case hex characters", s)
	}
	return pk, nil
}

// MarshalText writes what ParseID reads, so that an id is text in JSON and in logs.
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// MarshalText writes what ParsePubKey reads, so that a key is text in JSON and in logs.
func (pk PubKey) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, pk[:]), nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// UnmarshalText is ParsePubKey.
func (pk *PubKey) UnmarshalText(text []byte) (err error) {
	*pk, err = ParsePubKey(string(text))
	return err
}
