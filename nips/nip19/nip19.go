// Package nip19 reads and writes public keys as people paste them.
package nip19

import (
	"errors"
	"strings"

	"moa/nips/event"
)

// ErrSecret says that somebody gave a secret key where a public one belongs.
// No error of this package repeats what was given.
var ErrSecret = errors.New("this is a secret key (nsec): never give it to anyone")

var errKey = errors.New("not a public key: want npub, nprofile or 64 hex characters")

// ParsePubKey reads an npub, an nprofile (its relays are left aside) or hex of
// either case, with or without `nostr:` before it (NIP-21) and space around it.
func ParsePubKey(s string) (event.PubKey, error) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "nostr:")
	if len(s) == 64 {
		if pk, err := event.ParsePubKey(strings.ToLower(s)); err == nil {
			return pk, nil
		}
	}
	prefix, data, err := decode(s)
	switch {
	case strings.HasPrefix(strings.ToLower(s), "nsec1"):
		return event.PubKey{}, ErrSecret
	case err != nil:
		return event.PubKey{}, errKey
	case prefix == "npub":
		return pubKey(data)
	case prefix == "nprofile":
		return profileKey(data)
	}
	return event.PubKey{}, errKey
}

// Npub writes the key as an npub.
func Npub(pk event.PubKey) string { return encode("npub", pk[:]) }

func pubKey(b []byte) (pk event.PubKey, err error) {
	if len(b) != len(pk) {
		return pk, errKey
	}
	return event.PubKey(b), nil
}

// profileKey finds the first entry of type 0 among type, length, value entries.
func profileKey(b []byte) (event.PubKey, error) {
	for len(b) >= 2 {
		kind, n := b[0], int(b[1])
		b = b[2:]
		if n > len(b) {
			break
		}
		if kind == 0 {
			return pubKey(b[:n])
		}
		b = b[n:]
	}
	return event.PubKey{}, errKey
}
