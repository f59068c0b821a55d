// Package nip19 reads and writes public keys and ids of events as people paste them.
package nip19

import (
	"cmp"
	"errors"
	"strings"

	"moa/nips/event"
)

// ErrSecret says that somebody gave a secret key where a public one belongs.
// No error of this package repeats what was given.
var ErrSecret = errors.New("this is a secret key (nsec): never give it to anyone")

var (
	errKey   = errors.New("not a public key: want npub, nprofile or 64 hex characters")
	errEvent = errors.New("not the id of an event: want note, nevent or 64 hex characters")
)

// ParsePubKey reads an npub, an nprofile (its relays are left aside) or hex of
// either case, with or without `nostr:` before it (NIP-21) and space around it.
func ParsePubKey(s string) (event.PubKey, error) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "nostr:")
	if len(s) == 64 {
		if pk, err := event.ParsePubKey(strings.ToLower(s)); err == nil {
			return pk, nil
		}
	}
	data, err := entity(s, "npub", "nprofile")
	if err != nil || len(data) != len(event.PubKey{}) {
		return event.PubKey{}, cmp.Or(err, errKey)
	}
	return event.PubKey(data), nil
}

// ParseEventID reads a note, a nevent (its relays and author are left aside) or hex, as
// ParsePubKey does.
func ParseEventID(s string) (event.ID, error) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "nostr:")
	if len(s) == 64 {
		if id, err := event.ParseID(strings.ToLower(s)); err == nil {
			return id, nil
		}
	}
	data, err := entity(s, "note", "nevent")
	if err != nil || len(data) != len(event.ID{}) {
		return event.ID{}, cmp.Or(err, errEvent)
	}
	return event.ID(data), nil
}

// entity returns what is named by a bech32 string with the plain prefix, or with the other
// one, where it is the first entry of type 0; nil if it is neither. The error is
// ErrSecret.
func entity(s, plain, listed string) ([]byte, error) {
	prefix, data, err := decode(s)
	switch {
	case strings.HasPrefix(strings.ToLower(s), "nsec1"):
		return nil, ErrSecret
	case err != nil:
		return nil, nil
	case prefix == plain:
		return data, nil
	case prefix == listed:
		return special(data), nil
	}
	return nil, nil
}

// Npub writes the key as an npub.
func Npub(pk event.PubKey) string { return encode("npub", pk[:]) }

// Nevent names an event, and a relay that has it.
func Nevent(id event.ID, relay string) string {
	data := append([]byte{0, byte(len(id))}, id[:]...)
	if n := len(relay); n > 0 && n <= 255 {
		data = append(append(data, 1, byte(n)), relay...)
	}
	return encode("nevent", data)
}

// special finds the first entry of type 0 among type, length, value entries; nil: there is
// none.
func special(b []byte) []byte {
	for len(b) >= 2 {
		kind, n := b[0], int(b[1])
		b = b[2:]
		if n > len(b) {
			break
		}
		if kind == 0 {
			return b[:n]
		}
		b = b[n:]
	}
	return nil
}
